"""Read tensors from a stranger's file of ``torch.save``: nothing is run, and no more memory is taken than the file has.

``torch.load(weights_only=True)`` alone runs no code either, but a few bytes can make it take any amount of memory:
compressed or overlapping records, and calls such as ``bytearray(10**10)`` that it permits. So what the file asks for is
looked at first, and only what ``state_dict()`` of a network needs is let through.
"""

from __future__ import annotations

import os
import pickletools
import stat
import zipfile
from pathlib import Path
from typing import Any

import torch

from monai_vlsm.errors import DataError

MOST_BYTES = 4 << 30
"""Largest file that is read; a whole CLIPSeg with the state of its optimizer has 1.8 GB."""
_MOST_PICKLE_BYTES = 4 << 20
_MOST_RECORDS = 10_000

_PERMITTED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(
        f"torch {kind}Storage"
        for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Byte", "Bool")
    ),
}
"""What a state dict of tensors is made of, and the counters and settings beside it need nothing more."""
_FORBIDDEN = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}


def require_regular_file(path: str | Path, most_bytes: int = MOST_BYTES) -> None:
    """Raise a DataError unless ``path`` is an ordinary file of bounded size: no folder, pipe or device."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{str(path)!r} is no file but a folder, pipe or device.")
    if found.st_size > most_bytes:
        raise DataError(
            f"{str(path)!r} has {found.st_size / 1e6:,.0f} MB, at most {most_bytes / 1e6:,.0f} MB are read: "
            "it is not what it should be."
        )


def read_torch_file(path: str | Path) -> Any:
    """Return what ``torch.save`` wrote into ``path``: tensors on the CPU, numbers, texts, lists and dictionaries.

    Raises:
        DataError: if it is no such file, is damaged, or holds anything else.
    """
    require_regular_file(path)
    try:
        _require_plain_tensors(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything: RuntimeError, KeyError, EOFError, OSError ...
        reason = f"{error}".split("\n")[0] or type(error).__name__
        raise DataError(f"{str(path)!r} is damaged, or holds more than tensors: {reason:.300}") from error


def _require_plain_tensors(path: str | Path) -> None:
    if not zipfile.is_zipfile(path):
        raise DataError("it is no file of torch.save, or its end is missing")
    with zipfile.ZipFile(path) as archive:
        records = archive.infolist()
        if len(records) > _MOST_RECORDS:
            raise DataError(f"it has {len(records)} records")
        if any(record.compress_type != zipfile.ZIP_STORED for record in records):
            raise DataError("a record is compressed, which torch.save never does")
        if sum(record.file_size for record in records) > os.path.getsize(path):
            raise DataError("its records overlap: together they are larger than the file")
        pickles = [record for record in records if record.filename.endswith("/data.pkl")]
        if len(pickles) != 1 or len({record.filename for record in records}) < len(records):
            raise DataError("it is no file of torch.save")
        if pickles[0].file_size > _MOST_PICKLE_BYTES:
            raise DataError(f"what describes its tensors has {pickles[0].file_size / 1e6:,.0f} MB")
        _require_permitted(archive.read(pickles[0]))


def _require_permitted(pickled: bytes) -> None:
    for operation, argument, _ in pickletools.genops(pickled):
        if operation.name in _FORBIDDEN or (operation.name == "GLOBAL" and argument not in _PERMITTED):
            raise DataError(f"it asks for {argument or operation.name!r}")
