"""Which images are meant by what was given: files, folders, patterns and DICOM series, each with a name of its own."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_vlsm.data.names import IMAGE_SUFFIXES, is_image, natural_order
from monai_vlsm.dicom.series import group_series
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.predicting.naming import Place, unique_names
from monai_vlsm.predicting.remote import Remote, find_remote, is_address

_DICOM_MARK = b"DICM"
_DICOM_MARK_AT = 128
"""Bytes before the mark of a DICOM file, which often has no suffix."""


@dataclass(frozen=True)
class Source:
    """An image: a file, or the files of a DICOM series in the order of its slices.

    Args:
        files: absolute paths.
        name: path below the folder of results, without suffix, with forward slashes; no other image of a run has it.
        remote: where it lies, if that is elsewhere; ``files`` then tells its kind alone.
    """

    files: tuple[Path, ...]
    name: str
    remote: Remote | None = None

    @property
    def path(self) -> Path:
        """The file, or the first one of a series."""
        return self.files[0]

    @property
    def given(self) -> Path | tuple[Path, ...]:
        """What readers take: the file, or all of a series."""
        return self.files if len(self.files) > 1 else self.path

    @property
    def shown(self) -> str:
        """What tables and messages call it."""
        return str(self.path) if self.remote is None else self.remote.address


def find_sources(given: Sequence[str | Path], out: str | Path | None = None) -> list[Source]:
    """Return every image that was given, once, in the order given and, in folders, in natural order.

    Args:
        given: files, folders (searched with all their sub-folders; links to folders are not followed) and patterns;
            or addresses of such elsewhere, as ``s3://bucket/folder``, see :mod:`monai_vlsm.predicting.remote`.
        out: folder of the results; nothing in it is an image.

    Raises:
        MissingFileError: if something is not there, or has no image in it.
        DataError: if a file is of no known kind, or in ``out``.
    """
    found: dict[Path, Place] = {}
    remote: dict[Path, Remote] = {}
    for item in map(str, given):
        if is_address(item):
            elsewhere = find_remote(item)
            remote |= {place.path: file for place, file in elsewhere.items()}
        for place in elsewhere if is_address(item) else _expanded(item, out):
            found.setdefault(place.path, place)
    groups = [*_grouped([file for file in found if file not in remote]), *((file,) for file in remote)]
    names = unique_names([found[min(files, key=natural_order)] for files in groups])
    return [Source(files, name, remote.get(files[0])) for files, name in zip(groups, names, strict=True)]


def named_sources(images: Sequence[Path], base: Path, out: str | Path | None = None) -> dict[Path, Source]:
    """Return the image of each path, with names that begin below ``base`` where the path lies there.

    Args:
        images: absolute paths of files, there or not, and of folders that hold one DICOM series each.
        base: absolute.
        out: folder of the results.

    Raises:
        DataError: if a path lies in ``out``, or a folder holds no series, or several.
    """
    for image in images:
        _require_outside(image, out)
    names = unique_names([Place(image, base if base in image.parents else image.parent) for image in images])
    return {image: Source(_files_of(image, out), name) for image, name in zip(images, names, strict=True)}


def is_dicom(path: Path) -> bool:
    """Tell whether a file is DICOM by its name, or, where that says nothing, by its mark."""
    if path.suffix.lower() in (".dcm", ".dicom"):
        return True
    return not path.name.lower().endswith(IMAGE_SUFFIXES) and _has_mark(path)


def _has_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_MARK_AT + len(_DICOM_MARK))[_DICOM_MARK_AT:] == _DICOM_MARK
    except OSError:
        return False


def _grouped(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Put the files of each DICOM series together, in the place of the one that came first."""
    groups = group_series([file for file in files if is_dicom(file)])
    of_file = {file: group for group in groups for file in group}
    return list(dict.fromkeys(of_file.get(file, (file,)) for file in files))


def _files_of(image: Path, out: str | Path | None) -> tuple[Path, ...]:
    if not os.path.isdir(image):
        return (image,)
    groups = _grouped([file for file in _files_below(image, out) if is_dicom(file)])
    if len(groups) != 1:
        raise DataError(f"expected one DICOM series in the folder {str(image)!r}, got {len(groups)}: name files.")
    return groups[0]


def _expanded(item: str, out: str | Path | None) -> Iterator[Place]:
    if not item:
        raise MissingFileError("expected a file, folder or pattern, got an empty name.")
    path = Path(os.path.abspath(os.path.expanduser(item)))
    if os.path.lexists(path):
        _require_outside(path, out)
        base = path if os.path.isdir(path) else path.parent
        found = [*_files_below(path, out)] if os.path.isdir(path) else [_named(path)]
    else:
        base = _plain_part(path)
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)), key=natural_order)
        found = [file for file in matches if _is_input(file) and not _is_below(file, out)]
    if not found:
        state = "holds none" if os.path.isdir(path) else "matches none" if glob.has_magic(item) else "is missing"
        raise MissingFileError(f"expected images ({', '.join(IMAGE_SUFFIXES)}), but {str(path)!r} {state}.")
    yield from (Place(file, base) for file in found)


def _require_outside(path: Path, out: str | Path | None) -> None:
    if _is_below(path, out):
        raise DataError(
            f"{str(path)!r} lies in the folder of the results, {str(out)!r}, where the next run would take results for "
            "images: choose a folder of their own with --out."
        )


def _named(path: Path) -> Path:
    """Return a file that was named itself."""
    if not _is_input(path):
        raise DataError(
            f"expected an image with one of the extensions {', '.join(IMAGE_SUFFIXES)} or a DICOM file, got "
            f"{str(path)!r}: convert it first."
        )
    return path


def _files_below(folder: Path, out: str | Path | None) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"the folder {error.filename!r} cannot be read: {error.strerror}.") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        kept = (name for name in folders if not name.startswith(".") and not _is_below(Path(parent, name), out))
        folders[:] = sorted(kept, key=natural_order)
        yield from (path for name in sorted(names, key=natural_order) if _is_input(path := Path(parent, name)))


def _is_input(path: Path) -> bool:
    """Tell whether a path is an image that can be tried: a file, or a link that leads nowhere, but no pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return is_image(path) and path.is_symlink()
    return stat.S_ISREG(mode) and not path.name.startswith(".") and (is_image(path) or is_dicom(path))


def _is_below(path: Path, folder: str | Path | None) -> bool:
    return folder is not None and Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(os.path.expanduser(folder))
    )


def _plain_part(pattern: Path) -> Path:
    """Return the folders of a pattern that stand before its first sign."""
    return next(parent for parent in pattern.parents if not glob.has_magic(str(parent)))
