"""What the header of a MetaImage or NRRD file says before it is believed: other files that it names."""

from __future__ import annotations

import re
from pathlib import Path

from monai_vlsm.errors import DataError

_LONGEST = 2**20
"""Bytes of a text header; ITK writes a few hundred."""

_META_FIELD = re.compile(rb"ElementDataFile", re.IGNORECASE)
_NRRD_FIELD = re.compile(rb"^[ \t]*data ?file[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)


def data_file_of(path: str | Path) -> Path:
    """Return the file that holds the values of a MetaImage or NRRD file: itself, or the one that its header names.

    A header can name any file of the machine, lists and patterns of files. Allowed is what programs write: one plain
    name, of a regular file in the same folder that is no link.

    Raises:
        DataError: if the header names anything else.
    """
    path = Path(path)
    with path.open("rb") as file:
        header = file.read(_LONGEST)
    name = _nrrd_data_file(header) if path.suffix.lower() == ".nrrd" else _meta_data_file(header)
    if name is None:
        return path
    beside = path.parent / name
    plain = re.fullmatch(r"[^\s/\\%:\x00-\x1f]+", name) and name.upper() != "LIST" and name not in (".", "..")
    if not plain or beside.is_symlink() or not beside.is_file():
        raise DataError(
            f"its header takes the values from {name!r}; allowed is the plain name of one file in the same folder, "
            "which is no link"
        )
    return beside


def is_compressed(path: Path) -> bool:
    """Tell whether the values of a MetaImage or NRRD file may be compressed, by its header."""
    with path.open("rb") as file:
        header = file.read(_LONGEST)
    pattern = rb"^[ \t]*(CompressedData[ \t]*[=:][ \t]*[tT1yY]|encoding[ \t]*:[ \t]*(?!raw))"
    return re.search(pattern, header, re.IGNORECASE | re.MULTILINE) is not None


def _meta_data_file(header: bytes) -> str | None:
    """Return what stands in ElementDataFile, None for the file itself."""
    found = _META_FIELD.search(header)
    line = re.compile(rb"[ \t]*ElementDataFile[ \t]*[=:]([^\n]*)\n").match(
        header, header.rfind(b"\n", 0, found.start()) + 1 if found else 0
    )
    if found is None or line is None:
        raise DataError("its header does not say in a line ElementDataFile where its values are")
    name = line[1].decode("latin-1").strip()
    return None if name.upper() == "LOCAL" else name


def _nrrd_data_file(header: bytes) -> str | None:
    """Return what stands in ``data file``, None for the file itself."""
    if not header.startswith(b"NRRD"):
        raise DataError("it is no NRRD file")
    text = re.split(rb"\r?\n\r?\n", header, maxsplit=1)[0]
    names = _NRRD_FIELD.findall(text)
    return names[-1].decode("latin-1").strip() if names else None
