"""Read archives of strangers: no way out of the folder, no links, no bombs, nothing locked, damaged or there twice."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any

from monai_vlsm.data.names import TAR_SUFFIXES
from monai_vlsm.errors import DataError, UserError, is_full_disk

_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class Entry:
    """A file in an archive.

    Args:
        name: with forward slashes, as the archive has it.
        size: bytes, as the archive claims.
        is_plain: whether it is a file, not a link, a device or a file with holes.
        open: gives its content.
    """

    name: str
    size: int
    is_plain: bool
    open: Callable[[], IO[bytes]]


def is_zip(path: Path) -> bool:
    """Tell a zip by its content, but for a tar that has one in it."""
    try:
        return not path.name.lower().endswith(TAR_SUFFIXES) and zipfile.is_zipfile(path)
    except Exception:  # whatever a damaged directory of a zip leads to
        return False


@contextmanager
def open_archive(archive: Path, most_entries: int) -> Iterator[list[Entry]]:
    """Give the files in an archive, whose names can be written below any folder; nothing has been unpacked.

    Args:
        archive: zip or tar.
        most_entries: files that it may hold.

    Raises:
        DataError: if the archive is damaged, which may be seen only when its entries are written; if it is locked, or
            holds more files, links, devices, names that lead out of a folder (also those of Windows), or one twice.
    """
    try:
        with zipfile.ZipFile(archive) if is_zip(archive) else tarfile.open(archive) as file:
            entries = _entries(file, most_entries)
            _require_trustworthy(entries, archive)
            yield entries
    except UserError:
        raise
    except Exception as error:  # damaged archives lead to any kind of error in the libraries
        if is_full_disk(error):
            raise
        reason = str(error) or type(error).__name__
        raise DataError(f"the archive {str(archive)!r} is damaged or incomplete ({reason}): fetch it again.") from error


def require_no_bomb(size: int, allowed: int, most_times: int, archive: Path) -> None:
    """Raise a DataError if ``size`` bytes are more than ``allowed``, in general ``most_times`` those of the archive."""
    if size > allowed:
        raise DataError(
            f"the archive {str(archive)!r} was not unpacked: with {size / 1e6:,.0f} MB its content is more than "
            f"{most_times} times as large as the download. Do not trust it, or unpack it yourself and give the folder."
        )


def write_entry(entry: Entry, path: Path) -> None:
    """Write one file, without the date, rights and owner that the archive claims."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = entry.size
    with entry.open() as source, path.open("xb") as target:
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            target.write(chunk)
    if left:
        raise EOFError(f"{entry.name!r} has another size than the archive says")


def _entries(file: zipfile.ZipFile | tarfile.TarFile, most: int) -> list[Entry]:
    return _zip_entries(file, most) if isinstance(file, zipfile.ZipFile) else _tar_entries(file, most)


def _zip_entries(file: zipfile.ZipFile, most: int) -> list[Entry]:
    infos = [info for info in file.infolist() if not info.is_dir()]
    if len(infos) > most:
        raise DataError(_too_many(file.filename, most))
    locked = next((info.filename for info in infos if info.flag_bits & 1), None)
    if locked is not None:
        raise DataError(
            f"the archive {str(file.filename)!r} is locked with a password ({locked!r}): unpack it yourself and give "
            "the folder."
        )
    # Entries of a bomb share their bytes.
    if sum(info.compress_size for info in infos) > Path(str(file.filename)).stat().st_size:
        raise zipfile.BadZipFile("its entries overlap")
    return [
        Entry(info.filename, info.file_size, not stat.S_ISLNK(info.external_attr >> 16), partial(file.open, info))
        for info in infos
    ]


def _tar_entries(file: tarfile.TarFile, most: int) -> list[Entry]:
    entries, last = [], -1
    for info in file:
        if info.size < 0 or info.offset <= last:
            raise tarfile.ReadError("its headers lead backwards")
        last = info.offset
        if not info.isdir():
            plain = info.isreg() and not info.issparse()
            entries.append(Entry(info.name, info.size, plain, partial(_open_in_tar, file, info)))
        if len(entries) > most:
            raise DataError(_too_many(file.name, most))
    return entries


def _too_many(archive: Any, most: int) -> str:
    return (
        f"the archive {str(archive)!r} holds more than {most:,} files: if you trust it, unpack it yourself and give "
        "the folder."
    )


def _open_in_tar(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = file.extractfile(info)
    if content is None:
        raise tarfile.ReadError(f"{info.name!r} has no content")
    return content


def _require_trustworthy(entries: Sequence[Entry], archive: Path) -> None:
    """Refuse links, devices, names that lead out of the folder (also those of Windows), and names that occur twice."""
    refused = next((entry.name for entry in entries if not entry.is_plain or not _stays_inside(entry.name)), None)
    if refused is not None:
        raise DataError(
            f"the archive {str(archive)!r} was not unpacked: its entry {refused!r} would be written outside of "
            "the folder, or is no plain file. Do not trust it."
        )
    names = Counter(PurePosixPath(entry.name) for entry in entries)
    twice = next((name for name, count in names.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"the archive {str(archive)!r} was not unpacked: it has two entries {str(twice)!r}.")


def _stays_inside(name: str) -> bool:
    """Tell whether a name can be used below any folder of any system."""
    windows = PureWindowsPath(name)
    return name.isprintable() and not (windows.anchor or ".." in windows.parts) and PurePosixPath(name).name != ""
