"""Make a data set's folder whole or not at all, and know it again."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monai_vlsm.data.datalist import DATALIST_NAME, read_description
from monai_vlsm.errors import DataError, UserError


def is_free(out: Path) -> bool:
    """Tell whether there is nothing in the place of folder ``out``, or an empty folder."""
    return not out.exists() or (out.is_dir() and not any(out.iterdir()))


def is_there(out: Path, description: str) -> bool:
    """Tell whether ``out`` holds the data set that ``description`` names (True) or is free (False).

    Raises:
        DataError: if it holds something else; nothing is changed then.
    """
    if is_free(out):
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
def new_folder(out: Path, size: int = 0) -> Iterator[Path]:
    """Give an empty folder beside ``out`` that becomes ``out`` when all went well, and vanishes otherwise.

    Args:
        out: to make.
        size: bytes that will be needed at least.

    Raises:
        DataError: if the disk is full or the folder cannot be written.
    """
    made = [parent for parent in out.parents if not parent.exists()]
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        require_space(part, size, f"write {str(out)!r}")
        yield part
        if out.exists():
            out.rmdir()
        part.replace(out)
    except UserError:
        raise
    except OSError as error:
        raise DataError(_what_failed(out, max(size, _size(part)), error)) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def require_space(folder: Path, size: int, purpose: str) -> None:
    """Raise a DataError unless the disk of ``folder`` has room for ``size`` bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"there is not enough room to {purpose}: {size / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free. "
            "Nothing was left behind: make room, or choose a folder on another disk with --out."
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _what_failed(out: Path, size: int, error: OSError) -> str:
    if error.errno != errno.ENOSPC:
        return f"cannot write {str(out)!r}: {error}. Nothing was left behind: choose another --out."
    return (
        f"the disk is full: {str(out)!r} needs more than {size / 1e6:,.0f} MB. Nothing was left behind: make room, or "
        "choose a folder on another disk with --out."
    )
