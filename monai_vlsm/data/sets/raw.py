"""The raw files of a data set, wherever its archive put them, and what a converter makes of them."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from monai_vlsm.data.names import KEPT_SUFFIXES, RASTER_SUFFIXES
from monai_vlsm.errors import DataError, MissingFileError

Mask = NDArray[np.bool_]
_NOISE = 32
"""Brightest value that JPEG leaves in a mask without an object."""


@dataclass(frozen=True)
class RawCase:
    """One image with the mask of one class, not read yet.

    Args:
        image: name of the image below ``images/``.
        label: name of the mask below ``masks/``, a PNG; its path without suffix is what published prompts are found by.
        image_source: the file to take over, or a function that gives (H, W) or (H, W, 3) uint8, upright.
        read_mask: gives (H, W) bool, upright.
        class_name: what the mask shows; empty for the class of the data set.
        group: patient or sequence, which must not be in two splits; empty if it is not known.
        split: where the makers of the data set put it; empty if they did not say.
        prompts: written from what the raw files tell, for data sets that have such rules.
    """

    image: str
    label: str
    image_source: Path | Callable[[], NDArray[np.uint8]] = field(repr=False)
    read_mask: Callable[[], Mask] = field(repr=False)
    class_name: str = ""
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
        roots: the folders; hidden files and what archivers of macOS add are left out.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        found = (path for root in roots for path in sorted(root.rglob("*")))
        self.paths = [
            path for path in found if path.is_file() and not path.name.startswith(".") and "__MACOSX" not in path.parts
        ]
        self._folders: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path in self.paths:
            self._folders[tuple(part.lower() for part in path.parent.parts)].append(path)

    def in_folder(self, folder: str, suffixes: Sequence[str] = RASTER_SUFFIXES) -> dict[str, Path]:
        """Return files by stem whose folder ends in ``folder`` (any case); of equal stems, a PNG goes first."""
        wanted = tuple(part.lower() for part in folder.split("/"))
        found = [
            path
            for parts, paths in self._folders.items()
            if parts[-len(wanted) :] == wanted
            for path in paths
            if path.suffix.lower() in suffixes
        ]
        found.sort(key=lambda path: path.suffix.lower() == ".png")
        return {path.stem: path for path in found}

    def matching(self, pattern: str) -> list[tuple[Path, re.Match[str]]]:
        """Return the files whose whole path with forward slashes ends in the regular expression ``pattern``."""
        tail = re.compile(rf"(?:^|.*/){pattern}$", re.IGNORECASE)
        matches = ((path, tail.match(path.as_posix())) for path in self.paths)
        return [(path, match) for path, match in matches if match]


def pair(
    images: dict[str, Path],
    masks: dict[str, Path],
    *,
    mask_stem: Callable[[str], str] = lambda stem: stem,
    label_stem: Callable[[str], str] | None = None,
    class_name: Callable[[str], str] = lambda stem: "",
    group: Callable[[str], str] = lambda stem: "",
    split: str = "",
) -> list[RawCase]:
    """Make a case of every image; a mask that is missing shows when it is read.

    Args:
        images: files by stem.
        masks: files by stem.
        mask_stem: from the stem of an image to that of its mask.
        label_stem: from the stem of an image to that of the prepared mask; as ``mask_stem`` if None.
        class_name: from the stem of an image to what its mask shows.
        group: from the stem of an image to its patient or sequence.
        split: of all these images.
    """
    label_stem = label_stem or mask_stem
    return [
        RawCase(
            image=prepared_name(path),
            label=f"{label_stem(stem)}.png",
            image_source=path,
            read_mask=partial(read_mask_of, masks, mask_stem(stem)),
            class_name=class_name(stem),
            group=group(stem),
            split=split,
        )
        for stem, path in images.items()
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
        for case in pair(
            files.in_folder(images.format(part)),
            files.in_folder(masks.format(part)),
            mask_stem=mask.format,
            split=split,
        )
    ]


def prepared_name(path: Path) -> str:
    """Name of an image in the prepared folder: PNG and JPG are taken over, everything else becomes PNG."""
    return path.name if path.suffix.lower() in KEPT_SUFFIXES else f"{path.stem}.png"


def open_picture(path: Path) -> Image.Image:
    """Read a picture as a viewer shows it; also the RGB TIFF files of CVC-ClinicDB, which call themselves grey."""
    try:
        with Image.open(path) as image:
            picture = ImageOps.exif_transpose(image)
            picture.load()
            return picture
    except (OSError, SyntaxError) as error:
        if path.suffix.lower() in (".tif", ".tiff") and path.stat().st_size:
            try:
                return Image.fromarray(optional_module("tifffile").imread(path))
            except (ValueError, TypeError):
                pass
        raise DataError(f"the image cannot be read: {error}") from error


def read_mask_of(masks: dict[str, Path], stem: str) -> Mask:
    """Read the mask called ``stem`` among ``masks``."""
    if stem not in masks:
        raise MissingFileError(f"its mask {stem!r} is missing")
    return read_mask(masks[stem])


def read_mask(path: Path) -> Mask:
    """Read a mask as (H, W) bool: where its brightest channel is above half, so that JPEG noise does not count.

    Raises:
        DataError: if it cannot be read, or is neither a mask of 0 and 1 nor one of 0 and 255.
    """
    try:
        with Image.open(path) as image:
            values = np.array(image.convert("RGB")).max(axis=-1)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"its mask {path.name!r} cannot be read: {error}") from error
    brightest = int(values.max())
    if _NOISE < brightest <= 127:
        raise DataError(f"the brightest value of its mask {path.name!r} is {brightest}, expected is 1 or 255")
    return values > (0 if brightest == 1 else 127)


def empty_mask(image: Path) -> Mask:
    """Return a mask of the size of ``image`` with nothing in it."""
    with Image.open(image) as opened:
        return np.zeros(opened.size[::-1], dtype=bool)


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
