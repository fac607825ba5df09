"""Open what a user has downloaded, folders and archives alike, without trusting the archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm.auto import tqdm

from monai_vlsm.data.names import ARCHIVE_SUFFIXES, FOREIGN_ARCHIVE_SUFFIXES, SHEET_SUFFIX
from monai_vlsm.data.unpacking import is_zip, open_archive, require_no_bomb, write_entry
from monai_vlsm.data.whole import require_space
from monai_vlsm.errors import DataError, MissingFileError

_MOST_ENTRIES = 1_000_000
"""Files in an archive; the largest of our data sets has 38,166."""
_MOST_TIMES = 200
"""What is unpacked may be so many times as large as the download; raw masks shrink to a hundredth."""
_ALWAYS_ALLOWED = 1 << 30
"""Bytes that may be unpacked from any download, however small."""


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
    if not (_is_archive(source) or is_zip(source)):
        raise DataError(f"{str(source)!r} is neither a folder nor a complete zip or tar archive: fetch it again.")
    return [source]


def _is_archive(path: Path) -> bool:
    """Tell archives by their names, or by their content where the server gave no name (but no xlsx, which are zips)."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES) or (not path.suffix and is_zip(path))


def _is_sheet(path: Path) -> bool:
    return path.suffix.lower() == SHEET_SUFFIX


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
    with open_archive(archive, _MOST_ENTRIES) as entries:
        size = sum(entry.size for entry in entries)
        require_no_bomb(size, allowed, _MOST_TIMES, archive)
        require_space(folder, size, f"unpack {archive.name}")
        for entry in tqdm(entries, desc=f"Unpacking {archive.name}", unit="file", disable=not progress):
            write_entry(entry, folder / entry.name)
    return size
