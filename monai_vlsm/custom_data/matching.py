"""Find the mask of every image, and the patient that an image belongs to, by the names of files."""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_vlsm.custom_data.request import CustomDataRequest, file_name
from monai_vlsm.data.datalist import list_images
from monai_vlsm.data.names import stem_below
from monai_vlsm.errors import DataError, MissingFileError

Stems = dict[Path, str]
"""File -> its path below the folder that was named, without the suffix."""

_MASK_ENDINGS = re.compile(r"[ _-](mask|seg|segmentation|label|labels|gt)$", re.IGNORECASE)
_LONGEST_NAME = 200
"""Bytes of a name that is written; file systems take 255, and predictions get longer names."""


@dataclass(frozen=True)
class ImageMaskPair:
    """An image or volume with its mask.

    Args:
        name: of the files that are written for it.
        image: file.
        mask: file.
        group: patient or, where nothing is known of it, the image itself.
    """

    name: str
    image: Path
    mask: Path
    group: str


@dataclass(frozen=True)
class Matches:
    """Pairs, and what was found without a partner.

    Args:
        pairs: in natural order of the images.
        images_without_mask: files.
        masks_without_image: files.
    """

    pairs: list[ImageMaskPair]
    images_without_mask: list[Path]
    masks_without_image: list[Path]


def match_masks(request: CustomDataRequest) -> Matches:
    """Find the mask of every image, by equal names or by those with an ending such as ``_mask`` or ``_seg``.

    A name is the whole path below the folder, so that equal names in two sub-folders are never mixed.

    Raises:
        MissingFileError: if a folder does not exist or holds no images.
        DataError: if an image has two masks, none has one, a pattern does not match, or names collide.
    """
    images, masks = _images_and_masks(request)
    mask_keys = _mask_keys(images, masks, request)
    if _same_folder(request):
        images = {image: stem for image, stem in images.items() if image not in mask_keys}
    masks_of = defaultdict(list)
    for mask, key in mask_keys.items():
        masks_of[key].append(mask)
    mask_of = {}
    for image, key in _image_keys(images, request).items():
        found = masks_of.get(key, [])
        if len(found) > 1:
            names = ", ".join(repr(mask.name) for mask in found)
            raise DataError(f"image {str(image)!r} has {len(found)} masks: {names}. Keep one, or join them first.")
        if found:
            mask_of[image] = found[0]
    if not mask_of:
        raise DataError(_none_matches(request, images, masks))
    used = set(mask_of.values())
    unused = [mask for mask in masks if mask not in used and mask not in images]
    return Matches(_pairs(mask_of, images, request), [image for image in images if image not in mask_of], unused)


def group_names(stems: Iterable[str], pattern: re.Pattern[str] | None) -> list[str]:
    """Return the patient in each name, by the first group of a regular expression; without one, the name itself.

    Raises:
        DataError: if the pattern does not match a name.
    """
    groups = []
    for stem in stems:
        match = pattern.search(stem) if pattern else None
        if pattern and not (match and match[1]):
            raise DataError(
                f"expected a --group-pattern that finds the patient in every name, but {pattern.pattern!r} does not "
                f"match {stem!r}."
            )
        groups.append(match[1] if match else stem)
    return groups


def _images_and_masks(request: CustomDataRequest) -> tuple[Stems, Stems]:
    """List both folders; of two folders inside each other, the inner one keeps its files for itself."""
    images, masks = _stems(request.images, "--images"), _stems(request.masks, "--masks")
    image_folder, mask_folder = request.images.resolve(), request.masks.resolve()
    if image_folder in mask_folder.parents:
        taken = {_place(mask) for mask in masks}
        images = {image: stem for image, stem in images.items() if _place(image) not in taken}
    if mask_folder in image_folder.parents:
        taken = {_place(image) for image in images}
        masks = {mask: stem for mask, stem in masks.items() if _place(mask) not in taken}
    return images, masks


def _stems(folder: Path, option: str) -> Stems:
    if not folder.is_dir():
        state = "is no folder" if folder.exists() else "does not exist"
        raise MissingFileError(f"expected a folder under {option}, but {str(folder)!r} {state}.")
    try:
        found = list_images(f"{glob.escape(str(folder))}/**/*")
    except MissingFileError:
        raise MissingFileError(
            f"expected images (PNG, JPG, TIFF, NIfTI ...) in {str(folder)!r}, the folder under {option}; it holds none."
        ) from None
    stems = {Path(item["image"]): stem_below(Path(item["image"]), folder) for item in found}
    for path, stem in stems.items():
        if stem.encode(errors="replace").decode() != stem:
            raise DataError(f"expected file names in UTF-8, got {str(path)!r} in {str(folder)!r}: rename it.")
    return stems


def _place(path: Path) -> Path:
    """Return where a file lies when links to folders are followed, but not a link that is the file itself."""
    return path.parent.resolve() / path.name


def _same_folder(request: CustomDataRequest) -> bool:
    return request.images.resolve() == request.masks.resolve()


def _mask_keys(images: Stems, masks: Stems, request: CustomDataRequest) -> Stems:
    """Return the name that each mask shares with its image, if there is one."""
    if request.mask_pattern:
        keys = {mask: key for mask, stem in masks.items() if (key := _first_group(request.mask_pattern, stem))}
        if not keys:
            raise DataError(
                f"expected a --mask-pattern that matches whole names such as {next(iter(masks.values()), 'none')!r}, "
                f"got {request.mask_pattern.pattern!r}, which matches none of {len(masks)}."
            )
        return keys
    stems, same_folder, keys = set(images.values()), _same_folder(request), {}
    for mask, stem in masks.items():
        without_ending = _MASK_ENDINGS.sub("", stem)
        if stem in stems and not same_folder:
            keys[mask] = stem
        elif without_ending != stem and without_ending in stems:
            keys[mask] = without_ending
    return keys


def _first_group(pattern: re.Pattern[str], stem: str) -> str:
    """Return what the first group finds in a whole name; empty if it finds nothing."""
    match = pattern.fullmatch(stem)
    return (match[1] or "") if match else ""


def _image_keys(images: Stems, request: CustomDataRequest) -> Stems:
    """Return the name that each image shares with its mask; no two images may have the same one."""
    pattern = request.mask_pattern
    keys = {image: (pattern and _first_group(pattern, stem)) or stem for image, stem in images.items()}
    _refuse_twice(keys, keys.__getitem__, "one image of the name")
    return keys


def _none_matches(request: CustomDataRequest, images: Stems, masks: Stems) -> str:
    if _same_folder(request):
        return (
            f"--images and --masks are one folder, {str(request.images)!r}, and no name in it is that of an image "
            "with _mask, _seg ... behind it. Give the folder of the masks, or say with --mask-pattern what names share."
        )
    image, mask = next(iter(images.values()), "none"), next(iter(masks.values()), "none")
    return (
        f"none of {len(images)} images in {str(request.images)!r} has a mask in {str(request.masks)!r}: expected "
        f"the same names, or an ending such as _mask or _seg; got images such as {image!r} and masks such as {mask!r}. "
        "Say with --mask-pattern what their names share, as in 'mask_(.+)'."
    )


def _pairs(mask_of: Mapping[Path, Path], stems: Stems, request: CustomDataRequest) -> list[ImageMaskPair]:
    _refuse_links(mask_of)
    names = {image: _written_name(image, stems[image], request) for image in mask_of}
    _refuse_twice(names, lambda image: names[image].casefold(), "one image that is written as")
    groups = group_names((stems[image] for image in mask_of), request.group_pattern)
    return [
        ImageMaskPair(names[image], image, mask, group)
        for (image, mask), group in zip(mask_of.items(), groups, strict=True)
    ]


def _refuse_links(mask_of: Mapping[Path, Path]) -> None:
    """Refuse an image that is its own mask, or that comes twice: its copies would be in several splits."""
    real = {image: image.resolve() for image in mask_of}
    _refuse_twice(real, lambda image: str(real[image]), "one name of the file")
    for image, mask in mask_of.items():
        if mask.resolve() == real[image]:
            raise DataError(f"expected an image and a mask, but {str(image)!r} and {str(mask)!r} are the same file.")


def _written_name(image: Path, stem: str, request: CustomDataRequest) -> str:
    name = file_name(stem)
    if not name:
        raise DataError(f"expected a letter or digit in the name of every image, got {str(image)!r}: rename it.")
    longest = f"{name}_z00000_{max(map(file_name, request.class_names), key=len)}.png"
    if len(longest.encode()) > _LONGEST_NAME:
        raise DataError(
            f"the name of {str(image)!r} is too long: files such as {longest!r} would be written for it, expected are "
            f"at most {_LONGEST_NAME} bytes. Rename the image, its folder or the class."
        )
    return name


def _refuse_twice(images: Iterable[Path], key_of: Callable[[Path], str], expected: str) -> None:
    images_of = defaultdict(list)
    for image in images:
        images_of[key_of(image)].append(image)
    for key, found in images_of.items():
        if len(found) > 1:
            listed = ", ".join(repr(str(image)) for image in found[:10])
            raise DataError(f"expected {expected} {key!r}, got {listed}: rename one, or remove it.")
