"""Open what a user has downloaded, folders and archives alike, without trusting the archives."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from tqdm.auto import tqdm

from monai_vlsm.data.whole import require_space
from monai_vlsm.errors import DataError, MissingFileError

_OTHERS = (".rar", ".7z")
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, NotImplementedError, RuntimeError),
)


@contextmanager
def open_sources(sources: Sequence[Path], scratch: Path, progress: bool = True) -> Iterator[list[Path]]:
    """Give folders with the content of ``sources``; what was unpacked is gone afterwards.

    Args:
        sources: folders, which may hold archives themselves, and archives (zip, tar).
        scratch: folder in which to unpack, on a disk with enough room.
        progress: show a progress bar.

    Raises:
        MissingFileError: if a source does not exist.
        DataError: if an archive is damaged, of an unknown kind, too large for the disk, or has entries that would be
            written elsewhere.
    """
    with TemporaryDirectory(dir=scratch, prefix=".unpacked-") as unpacked:
        roots: list[Path] = []
        for source in sources:
            if not source.exists():
                raise MissingFileError(f"there is no {str(source.absolute())!r}: give what you have downloaded.")
            roots += [source] if source.is_dir() else []
            for archive in _archives(source):
                folder = Path(unpacked) / f"{len(roots)}" / archive.stem
                _unpack(archive, folder, progress)
                roots.append(folder)
        yield roots


def _archives(source: Path) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.iterdir() if path.is_file() and _is_archive(path))
    if source.suffix.lower() in _OTHERS:
        raise DataError(f"{str(source)!r} cannot be unpacked here: unpack it yourself and give the folder.")
    if not _is_archive(source):
        raise DataError(f"{str(source)!r} is neither a folder nor a complete zip or tar archive: fetch it again.")
    return [source]


def _is_archive(path: Path) -> bool:
    named = path.name.lower().endswith((".zip", ".tar", ".tgz", ".tar.gz"))
    return named or zipfile.is_zipfile(path)


def _unpack(archive: Path, folder: Path, progress: bool) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                members = file.infolist()
                _check([member.filename for member in members], archive)
                _extract(file, members, sum(member.file_size for member in members), folder, archive.name, progress)
        else:
            with tarfile.open(archive) as file:
                entries = [entry for entry in file if entry.isfile() or not entry.isdir()]
                _check([entry.name for entry in entries], archive, [e.name for e in entries if not e.isfile()])
                _extract(file, entries, sum(entry.size for entry in entries), folder, archive.name, progress)
    except _DAMAGED as error:
        raise DataError(f"the archive {str(archive)!r} is damaged or incomplete ({error}): fetch it again.") from error


def _check(names: Sequence[str], archive: Path, links: Sequence[str] = ()) -> None:
    """Refuse names that lead out of the folder (also those of Windows), links and devices."""
    outside = [
        name
        for name in names
        if PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor or ".." in PureWindowsPath(name).parts
    ]
    if outside or links:
        name = [*outside, *links][0]
        raise DataError(
            f"the archive {str(archive)!r} was not unpacked: its entry {name!r} would be written outside of "
            "the folder, or is no plain file. Do not trust it."
        )


def _extract(
    file: zipfile.ZipFile | tarfile.TarFile, members: Sequence, size: int, folder: Path, name: str, progress: bool
) -> None:
    folder.mkdir(parents=True)
    require_space(folder, size, f"unpack {name}")
    for member in tqdm(members, desc=f"Unpacking {name}", unit="file", disable=not progress):
        file.extract(member, folder)
