"""Write files and folders whole or not at all: something unfinished never stands under its final name."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from monai_vlsm.errors import DataError, UserError, is_full_disk

_TOKEN = 8
"""Bytes at random in the names of unfinished files."""
_ANY_TOKEN = "[0-9a-f]" * (2 * _TOKEN)
"""A pattern for these: other programs have hidden files with ``.part.`` in their names, too."""
_ABANDONED = 3600
"""Seconds without a write after which something unfinished belongs to nobody: its process was killed."""


@contextmanager
def replace_whole(path: str | Path, tidy: bool = True) -> Iterator[Path]:
    """Give the name of a temporary file that becomes ``path`` when all went well, and vanishes otherwise.

    It lies beside ``path`` and ends as ``path`` does, because many libraries choose the format by the suffix. No other
    process has the same name, nor one on another machine that shares the disk. What killed processes left is removed.

    Args:
        path: of the file; its folder is made if it is not there.
        tidy: whether to look for what killed processes left, which takes long in folders of many files.

    Raises:
        DataError: if the disk is full or the file cannot be written; what was there before is untouched.
    """
    path = Path(path)
    part = _unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if tidy:
            remove_abandoned(path)
        yield part
        part.replace(path)
    except UserError:
        raise
    except OSError as error:
        raise DataError(what_failed(path, error)) from error
    finally:
        with suppress(OSError):  # where the folder is none, or the name too long, there is no such file
            part.unlink()


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
    part = _unfinished(out)
    try:
        part.mkdir(parents=True)
        remove_abandoned(out)
        require_space(part, size, f"write {str(out)!r}")
        yield part
        if out.exists():
            out.rmdir()
        part.replace(out)
    except UserError:
        raise
    except OSError as error:
        raise DataError(what_failed(out, error, max(size, _size(part)))) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def remove_file(path: Path) -> None:
    """Remove the file ``path`` if there is one, or raise a DataError that says why it cannot be removed."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(what_failed(path, error)) from error


def remove_abandoned(path: str | Path, seconds: float = _ABANDONED) -> None:
    """Remove what killed processes left of a file or folder.

    Args:
        path: its final name.
        seconds: without a write since then; 0 where nobody else can be writing.
    """
    path = Path(path)
    _remove_parts(path.parent.glob(f".{_ANY_TOKEN}.part.{glob.escape(path.name)}"), seconds)


def remove_abandoned_below(folder: Path, seconds: float = _ABANDONED) -> None:
    """Remove what killed processes left of any file in ``folder`` and in the folders below it.

    Args:
        seconds: as for :func:`remove_abandoned`.
    """
    _remove_parts(folder.rglob(f".{_ANY_TOKEN}.part.*"), seconds)


def require_space(
    folder: Path, size: int, purpose: str, way_out: str = "make room, or choose a folder on another disk"
) -> None:
    """Raise a DataError unless the disk of ``folder`` has room for ``size`` bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise DataError(
            f"there is not enough room to {purpose}: {size / 1e6:,.0f} MB are needed, {free / 1e6:,.0f} MB are free. "
            f"Nothing was left behind: {way_out}."
        )


def what_failed(path: Path, error: OSError, size: int = 0) -> str:
    """Say why ``path``, of at least ``size`` bytes where that is known, could not be written, and what to do."""
    if not is_full_disk(error):
        return f"cannot write {str(path)!r}: {error}. Nothing unfinished was left behind: choose another place for it."
    needed = f", it needs more than {size / 1e6:,.0f} MB" if size else ""
    return (
        f"cannot write {str(path)!r}: the disk is full{needed}. Nothing unfinished was left behind: make room, or "
        "choose a folder on another disk."
    )


def file_sha256(path: Path) -> str:
    """Return the checksum of a file, by which it is known to be whole and the same."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{token_hex(_TOKEN)}.part.{path.name}")


def _remove_parts(parts: Iterable[Path], seconds: float) -> None:
    for part in list(parts):
        if time.time() - _last_write(part) >= seconds:
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _last_write(part: Path) -> float:
    """Return the time of the latest change in a file or folder; now if it vanishes meanwhile."""
    try:
        return max(os.stat(path).st_mtime for path in (part, *part.rglob("*")))
    except FileNotFoundError:
        return time.time()
