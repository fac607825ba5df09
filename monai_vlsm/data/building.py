"""Make a data set's folder whole or not at all, and know it again."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_vlsm.data.datalist import DATALIST_NAME, read_description
from monai_vlsm.errors import DataError


def is_there(out: Path, description: str) -> bool:
    """Tell whether ``out`` holds the data set that ``description`` names (True) or is free (False).

    Raises:
        DataError: if it holds something else; nothing is changed then.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    found = read_description(out) if (out / DATALIST_NAME).is_file() else None
    if found == description:
        return True
    holds = f"another data set ({found!r})" if found else "other files"
    raise DataError(
        f"expected {str(out)!r} to be free or to hold {description!r}, but it holds {holds}. "
        "Nothing was changed: choose another folder, or remove this one first."
    )


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give an empty folder beside ``out`` that becomes ``out`` when all went well, and vanishes otherwise.

    Raises:
        DataError: if the disk is full, with the space that was written until then.
    """
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        yield part
        if out.exists():
            out.rmdir()
        part.replace(out)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        written = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
        raise DataError(
            f"the disk is full: {str(out)!r} needs more than the {written / 1e9:.2f} GB that could be written. "
            "Nothing was left behind: make room, or choose a folder on another disk with --out."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
