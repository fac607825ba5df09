"""The raw files of a data set, wherever its archive put them, and what a reader of a set makes of them."""

from __future__ import annotations

import filecmp
import os
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.names import KEPT_SUFFIXES, RASTER_SUFFIXES
from monai_vlsm.data.pictures import mask_values, open_picture
from monai_vlsm.errors import DataError, MissingFileError

Key = TypeVar("Key", bound=Hashable)

_TIFF_SUFFIXES = (".tif", ".tiff")
_FORMAT_FOLDERS = ("png", "tif", "tiff")
"""Folders whose names tell the format only: Kaggle's copy of CVC-ClinicDB has all pictures in PNG/ and in TIF/."""


@dataclass(frozen=True)
class RawCase:
    """One image with the mask of one class, not read yet.

    Args:
        image: name of the image below ``images/``.
        label: name of the mask below ``masks/``, a PNG; its path without suffix is what published prompts are found by.
        image_source: the file to take over, or a function that gives (H, W) or (H, W, 3) uint8, upright.
        read_mask: gives (H, W) bool, upright.
        class_name: what the mask shows; empty for the class of the data set.
        kind: what it shows more closely, told from p2 on; empty if it is not known.
        group: patient or sequence, which must not be in two splits; empty if it is not known.
        split: where the makers of the data set put it; empty if they did not say.
        prompts: written from what the raw files tell, for data sets that have such rules.
    """

    image: str
    label: str
    image_source: Path | Callable[[], NDArray[np.uint8]] = field(repr=False)
    read_mask: Callable[[], Mask] = field(repr=False)
    class_name: str = ""
    kind: str = ""
    group: str = ""
    split: str = ""
    prompts: dict[str, list[str]] | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """Path of the mask without its suffix."""
        return os.path.splitext(self.label)[0]


class RawFiles:
    """All files below some folders.

    Args:
        roots: the folders, or single files; hidden files and what archivers of macOS add are left out.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        found = (path for root in roots for path in ([root] if root.is_file() else sorted(root.rglob("*"))))
        self.paths = [
            path for path in found if path.is_file() and not path.name.startswith(".") and "__MACOSX" not in path.parts
        ]
        self._folders: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in self.paths:
            self._folders[tuple(part.lower() for part in path.parent.parts)].append(path)

    def in_folder(self, folder: str) -> dict[str, Path]:
        """Return pictures by stem whose folder ends in ``folder`` (any case).

        Raises:
            DataError: as ``one_per_name``.
        """
        wanted = tuple(part.lower() for part in folder.split("/"))
        return one_per_name(
            (path.stem, path)
            for parts, paths in self._folders.items()
            if parts[-len(wanted) :] == wanted
            for path in paths
            if path.suffix.lower() in RASTER_SUFFIXES
        )

    def matching(self, pattern: str) -> list[tuple[Path, re.Match[str]]]:
        """Return the files whose whole path with forward slashes ends in the regular expression ``pattern``."""
        tail = re.compile(rf"(?:^|.*/){pattern}$", re.IGNORECASE)
        matches = ((path, tail.match(path.as_posix())) for path in self.paths)
        return [(path, match) for path, match in matches if match]


def one_per_name(found: Iterable[tuple[Key, Path]]) -> dict[Key, Path]:
    """Return the file of each name; of a TIFF and a PNG in one tree, which are one picture, the PNG.

    Raises:
        DataError: if two other files have one name, so that it is not clear which image belongs to which mask.
    """
    files: dict[Key, Path] = {}
    for name, path in found:
        other = files.setdefault(name, path)
        if other is path:
            continue
        suffixes = {other.suffix.lower(), path.suffix.lower()}
        if ".png" in suffixes and suffixes & set(_TIFF_SUFFIXES) and _tree(other.parent) == _tree(path.parent):
            files[name] = path if path.suffix.lower() == ".png" else other
        elif not filecmp.cmp(other, path, shallow=False):
            raise two_of_one_name(other, path)
    return files


def two_of_one_name(first: Path, second: Path) -> DataError:
    """Return the error of two different files of one name."""
    return DataError(
        f"two different files of the source have the name {second.stem!r}: {str(first)!r} and {str(second)!r}. "
        "Give only the folders with one copy of the data set."
    )


def pair(
    files: RawFiles,
    images: str,
    masks: str,
    *,
    mask_stem: Callable[[str], str] = lambda stem: stem,
    label_stem: Callable[[str], str] | None = None,
    class_name: Callable[[str], str] = lambda stem: "",
    group: Callable[[str], str] = lambda stem: "",
    split: str = "",
) -> list[RawCase]:
    """Make a case of every image in a folder; a mask that is missing shows when it is read.

    Where there are several trees of folders, a mask is only looked for in the tree of its image.

    Args:
        files: all raw files.
        images: folder of the images, as in :meth:`RawFiles.in_folder`.
        masks: folder of the masks.
        mask_stem: from the stem of an image to that of its mask.
        label_stem: from the stem of an image to that of the prepared mask; as ``mask_stem`` if None.
        class_name: from the stem of an image to what its mask shows.
        group: from the stem of an image to its patient or sequence.
        split: of all these images.
    """
    label_stem = label_stem or mask_stem
    pictures, found = files.in_folder(images), files.in_folder(masks)
    tree_of_image, tree_of_mask = (partial(_tree_above, folder=folder) for folder in (images, masks))
    single = all(
        len({tree(path) for path in paths.values()}) < 2
        for tree, paths in ((tree_of_image, pictures), (tree_of_mask, found))
    )

    def mask_of(stem: str, image: Path) -> Path | None:
        mask = found.get(mask_stem(stem))
        return mask if mask is not None and (single or tree_of_image(image) == tree_of_mask(mask)) else None

    return [
        RawCase(
            image=prepared_name(path),
            label=f"{label_stem(stem)}.png",
            image_source=path,
            read_mask=partial(read_named_mask, mask_of(stem, path), mask_stem(stem)),
            class_name=class_name(stem),
            group=group(stem),
            split=split,
        )
        for stem, path in pictures.items()
    ]


def pair_parts(files: RawFiles, splits: Mapping[str, str], images: str, masks: str, mask: str) -> list[RawCase]:
    """Make cases of a folder of images and one of masks per part.

    Args:
        files: all raw files.
        splits: split of each part; empty if its makers did not say.
        images: folder of the images of a part, "{}" standing for its name.
        masks: folder of its masks.
        mask: stem of a mask, "{}" standing for that of its image.
    """
    return [
        case
        for part, split in splits.items()
        for case in pair(files, images.format(part), masks.format(part), mask_stem=mask.format, split=split)
    ]


def left_out(case: RawCase, reason: str) -> RawCase:
    """Return a case that is told with its reason and left out when it is prepared."""

    def refuse() -> Mask:
        raise DataError(reason)

    return replace(case, read_mask=refuse)


def prepared_name(path: Path) -> str:
    """Name of an image in the prepared folder: PNG and JPG are taken over, everything else becomes PNG."""
    return path.name if path.suffix.lower() in KEPT_SUFFIXES else f"{path.stem}.png"


def open_raw_picture(path: Path) -> Image.Image:
    """Read a picture as a viewer shows it; also the RGB TIFF files of CVC-ClinicDB, which call themselves gray."""
    try:
        with open_picture(path) as picture:
            picture.load()
            return picture
    except DataError as error:
        array = _read_tiff(path) if path.suffix.lower() in _TIFF_SUFFIXES else None
        if array is None:
            raise DataError(f"the image cannot be used: {error}") from error
        return Image.fromarray(array)


def read_named_mask(path: Path | None, name: str) -> Mask:
    """Read the mask that should be called ``name``, if there is one."""
    if path is None:
        raise MissingFileError(f"its mask {name!r} is missing")
    return read_mask(path)


def read_mask(path: Path) -> Mask:
    """Read a mask as (H, W) bool.

    Raises:
        DataError: if it cannot be read or is no mask, see :func:`monai_vlsm.data.masks.foreground`.
    """
    try:
        with open_picture(path) as picture:
            return mask_values(picture)
    except DataError as error:
        raise DataError(f"its mask {path.name!r} cannot be used: {error}") from error


def empty_mask(image: Path) -> Mask:
    """Return a mask of the size of ``image`` with nothing in it."""
    return np.zeros(open_raw_picture(image).size[::-1], dtype=bool)


def union(masks: Iterable[Mask]) -> Mask:
    """Return the pixels that are in any of the masks."""
    first, *others = masks
    for other in others:
        if other.shape != first.shape:
            raise DataError(f"its masks differ in size: {first.shape[::-1]} and {other.shape[::-1]} pixels")
    return np.any([first, *others], axis=0)


def optional_module(name: str) -> ModuleType:
    """Import a package that only some data sets need."""
    try:
        return import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise DataError(f"this data set needs the package {package!r}: pip install 'monai_vlsm[data]'") from error


def _read_tiff(path: Path) -> NDArray[np.generic] | None:
    """Return the only picture of a TIFF file that Pillow cannot read; None if it is damaged, too, or too large."""
    try:
        with optional_module("tifffile").TiffFile(path) as file:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or float("inf"))  # where Pillow stops, too
            page = file.pages[0]
            fits = len(file.pages) == 1 and page.imagewidth * page.imagelength <= limit
            array = page.asarray() if fits else None
            return array if array is not None and array.dtype == np.uint8 and array.ndim in (2, 3) else None
    except DataError:
        raise
    except Exception:  # its readers raise whatever a damaged file leads to
        return None


def _tree(folder: Path) -> tuple[str, ...]:
    """Return a folder without the parts that name a format."""
    return tuple(part.lower() for part in folder.parts if part.lower() not in _FORMAT_FOLDERS)


def _tree_above(path: Path, folder: str) -> tuple[str, ...]:
    """Return the tree that ``folder`` lies in, for a file in it."""
    return _tree(path.parents[folder.count("/") + 1])
