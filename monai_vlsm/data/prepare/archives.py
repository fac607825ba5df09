"""Open what a user has downloaded, folders and archives alike, without trusting the archives."""

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
from tempfile import TemporaryDirectory
from typing import IO, Any

from tqdm.auto import tqdm

from monai_vlsm.data.names import ARCHIVE_SUFFIXES, FOREIGN_ARCHIVE_SUFFIXES, SHEET_SUFFIX, TAR_SUFFIXES
from monai_vlsm.data.whole import require_space
from monai_vlsm.errors import DataError, MissingFileError, UserError, is_full_disk

_MOST_ENTRIES = 1_000_000
"""Files in an archive; the largest of our data sets has 38,166."""
_MOST_TIMES = 200
"""What is unpacked may be so many times as large as the download; raw masks shrink to a hundredth."""
_ALWAYS_ALLOWED = 1 << 30
"""Bytes that may be unpacked from any download, however small."""
_CHUNK = 1 << 20  # bytes


@dataclass(frozen=True)
class _Entry:
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


@contextmanager
def open_sources(sources: Sequence[Path], scratch: Path, progress: bool = True) -> Iterator[list[Path]]:
    """Give folders with the content of ``sources``, and sheets; what was unpacked is gone afterwards.

    Archives in archives are unpacked, too, one level deep.

    Args:
        sources: folders, which may hold archives themselves, archives (zip, tar) and sheets (xlsx).
        scratch: folder in which to unpack, on a disk with enough room.
        progress: show a progress bar.

    Raises:
        MissingFileError: if a source does not exist.
        DataError: if an archive is damaged, locked, of an unknown kind, too large for the disk, a decompression bomb,
            or has entries that would be written elsewhere.
    """
    require_sources(sources)
    with TemporaryDirectory(dir=scratch, prefix=".unpacked-") as unpacked:
        roots: list[Path] = []
        for source in sources:
            roots += [source] if source.is_dir() or _is_sheet(source) else []
            for archive in _archives_of(source):
                roots += _unpack_with_inner(archive, Path(unpacked) / f"{len(roots)}", progress)
        yield roots


def require_sources(sources: Sequence[Path]) -> None:
    """Raise a MissingFileError unless all sources exist."""
    for source in sources:
        if not source.exists():
            raise MissingFileError(f"there is no {str(source.absolute())!r}: give what you have downloaded.")


def _archives_of(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.iterdir() if path.is_file() and _is_archive(path))
    if _is_sheet(source):
        return []
    if source.name.lower().endswith(FOREIGN_ARCHIVE_SUFFIXES):
        raise DataError(f"{str(source)!r} cannot be unpacked here: unpack it yourself and give the folder.")
    if not (_is_archive(source) or _is_zip(source)):
        raise DataError(f"{str(source)!r} is neither a folder nor a complete zip or tar archive: fetch it again.")
    return [source]


def _is_archive(path: Path) -> bool:
    """Tell archives by their names, or by their content where the server gave no name (but no xlsx, which are zips)."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES) or (not path.suffix and _is_zip(path))


def _is_sheet(path: Path) -> bool:
    return path.suffix.lower() == SHEET_SUFFIX


def _is_zip(path: Path) -> bool:
    """Tell a zip by its content, but for a tar that has one in it."""
    try:
        return not path.name.lower().endswith(TAR_SUFFIXES) and zipfile.is_zipfile(path)
    except Exception:  # whatever a damaged directory of a zip leads to
        return False


def _unpack_with_inner(archive: Path, folder: Path, progress: bool) -> list[Path]:
    """Unpack an archive, and those in it, below ``folder``; return the folders, one per archive."""
    allowed = max(_ALWAYS_ALLOWED, _MOST_TIMES * archive.stat().st_size)
    roots = [folder / archive.stem]
    allowed -= _unpack(archive, roots[0], allowed, progress)
    inner = [path for path in sorted(roots[0].rglob("*")) if path.is_file() and _is_archive(path)]
    for number, path in enumerate(inner):
        if path.name.startswith(".") or "__MACOSX" in path.parts:
            continue
        roots.append(folder / f"inner {number}" / path.stem)
        allowed -= _unpack(path, roots[-1], allowed, progress)
        path.unlink()
    return roots


def _unpack(archive: Path, folder: Path, allowed: int, progress: bool) -> int:
    """Unpack one archive of at most ``allowed`` bytes, and return how many there were."""
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) if _is_zip(archive) else tarfile.open(archive) as file:
            entries = _zip_entries(file) if isinstance(file, zipfile.ZipFile) else _tar_entries(file)
            size = sum(entry.size for entry in entries)
            _require_trustworthy(entries, archive)
            _require_no_bomb(size, allowed, archive)
            require_space(folder, size, f"unpack {archive.name}")
            for entry in tqdm(entries, desc=f"Unpacking {archive.name}", unit="file", disable=not progress):
                _write(entry, folder)
            return size
    except UserError:
        raise
    except Exception as error:  # damaged archives lead to any kind of error in the libraries
        if is_full_disk(error):
            raise
        reason = str(error) or type(error).__name__
        raise DataError(f"the archive {str(archive)!r} is damaged or incomplete ({reason}): fetch it again.") from error


def _zip_entries(file: zipfile.ZipFile) -> list[_Entry]:
    infos = [info for info in file.infolist() if not info.is_dir()]
    if len(infos) > _MOST_ENTRIES:
        raise DataError(_too_many(file.filename))
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
        _Entry(info.filename, info.file_size, not stat.S_ISLNK(info.external_attr >> 16), partial(file.open, info))
        for info in infos
    ]


def _too_many(archive: Any) -> str:
    return (
        f"the archive {str(archive)!r} holds more than {_MOST_ENTRIES:,} files: if you trust it, unpack it yourself "
        "and give the folder."
    )


def _tar_entries(file: tarfile.TarFile) -> list[_Entry]:
    entries, last = [], -1
    for info in file:
        if info.size < 0 or info.offset <= last:
            raise tarfile.ReadError("its headers lead backwards")
        last = info.offset
        if not info.isdir():
            plain = info.isreg() and not info.issparse()
            entries.append(_Entry(info.name, info.size, plain, partial(_open_in_tar, file, info)))
        if len(entries) > _MOST_ENTRIES:
            raise DataError(_too_many(file.name))
    return entries


def _open_in_tar(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = file.extractfile(info)
    if content is None:
        raise tarfile.ReadError(f"{info.name!r} has no content")
    return content


def _require_trustworthy(entries: Sequence[_Entry], archive: Path) -> None:
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


def _require_no_bomb(size: int, allowed: int, archive: Path) -> None:
    if size > allowed:
        raise DataError(
            f"the archive {str(archive)!r} was not unpacked: with {size / 1e6:,.0f} MB its content is more than "
            f"{_MOST_TIMES} times as large as the download. Do not trust it, or unpack it yourself and give the folder."
        )


def _write(entry: _Entry, folder: Path) -> None:
    """Write one file, without the dates, rights and owners that the archive claims."""
    path = folder / entry.name
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
