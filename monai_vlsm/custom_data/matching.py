"""Which mask belongs to which image, and which images belong to one patient: told by their names."""

from __future__ import annotations

import glob
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from monai_vlsm.custom_data.request import CustomDataRequest, compile_pattern, file_name
from monai_vlsm.data.datalist import list_images
from monai_vlsm.data.names import stem_below
from monai_vlsm.errors import DataError, MissingFileError

_MASK_ENDINGS = re.compile(r"[ _-](mask|seg|segmentation|label|labels|gt)$", re.IGNORECASE)


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
    """Cases, and what was found without a partner.

    Args:
        cases: in natural order.
        images_without_mask: files.
        masks_without_image: files.
    """

    cases: list[ImageMaskPair]
    images_without_mask: list[Path]
    masks_without_image: list[Path]


def match_masks(request: CustomDataRequest) -> Matches:
    """Find the mask of every image, by equal names or by those with an ending such as ``_mask`` or ``_seg``.

    Raises:
        MissingFileError: if a folder does not exist or holds no images.
        DataError: if an image has two masks, none has one, or a pattern does not match.
    """
    images, masks = _named(request.images, "--images"), _named(request.masks, "--masks")
    if request.images in request.masks.parents:
        images = {image: name for image, name in images.items() if image not in masks}
    if request.masks in request.images.parents:
        masks = {mask: name for mask, name in masks.items() if mask not in images}
    keys = _shared_names(images, masks, request)
    masks_of = defaultdict(list)
    for mask, key in keys.items():
        masks_of[key].append(mask)
    if request.images == request.masks:
        images = {image: name for image, name in images.items() if image not in keys}
    wanted = _image_keys(images, request)
    for image, key in wanted.items():
        if len(masks_of[key]) > 1:
            found = ", ".join(repr(mask.name) for mask in masks_of[key])
            raise DataError(
                f"image {str(image)!r} has {len(masks_of[key])} masks: {found}. Keep one, or join them first."
            )
    pairs = {image: masks_of[key][0] for image, key in wanted.items() if masks_of[key]}
    if not pairs:
        raise DataError(_none_matches(request, images, masks))
    used = set(pairs.values())
    unused = [mask for mask in masks if mask not in used and mask not in images]
    return Matches(_cases(pairs, images, request), [image for image in images if image not in pairs], unused)


def _named(folder: Path, option: str) -> dict[Path, str]:
    if not folder.is_dir():
        state = "is no folder" if folder.exists() else "does not exist"
        raise MissingFileError(f"expected a folder under {option}, but {str(folder)!r} {state}.")
    try:
        found = list_images(f"{glob.escape(str(folder))}/**/*")
    except MissingFileError:
        raise MissingFileError(
            f"expected images (PNG, JPG, TIFF, NIfTI ...) in {str(folder)!r}, the folder under {option}; it holds none."
        ) from None
    return {Path(item["image"]): stem_below(Path(item["image"]), folder) for item in found}


def _shared_names(images: dict[Path, str], masks: dict[Path, str], request: CustomDataRequest) -> dict[Path, str]:
    """Return the name that each mask shares with its image, if there is one."""
    pattern = compile_pattern(request.mask_pattern, "--mask-pattern")
    same_folder = request.images == request.masks
    stems = set(images.values())
    shared = {}
    for mask, name in masks.items():
        match = pattern.fullmatch(name) if pattern else None
        plain = _MASK_ENDINGS.sub("", name)
        if match:
            shared[mask] = match[1] or ""
        elif not pattern and name in stems and not same_folder:
            shared[mask] = name
        elif not pattern and plain != name and (plain in stems):
            shared[mask] = plain
    if pattern and not shared:
        raise DataError(
            f"expected a --mask-pattern that matches whole names such as {next(iter(masks.values()), 'none')!r}, "
            f"got {request.mask_pattern!r}, which matches none of {len(masks)}."
        )
    return shared


def _image_keys(images: dict[Path, str], request: CustomDataRequest) -> dict[Path, str]:
    """Return the name that each image shares with its mask; no two images may have the same one."""
    pattern = compile_pattern(request.mask_pattern, "--mask-pattern")
    matches = {image: pattern.fullmatch(name) if pattern else None for image, name in images.items()}
    keys = {image: match[1] or "" if (match := matches[image]) else name for image, name in images.items()}
    twice = [key for key, count in Counter(keys.values()).items() if count > 1]
    if twice:
        found = ", ".join(repr(str(image)) for image, key in keys.items() if key == twice[0])
        raise DataError(f"expected one image of the name {twice[0]!r}, got {found}: rename or remove one.")
    return keys


def _none_matches(request: CustomDataRequest, images: dict[Path, str], masks: dict[Path, str]) -> str:
    image, mask = next(iter(images.values()), "none"), next(iter(masks.values()), "none")
    return (
        f"none of {len(images)} images in {str(request.images)!r} has a mask in {str(request.masks)!r}: expected "
        f"the same names, or an ending such as _mask or _seg; got images such as {image!r} and masks such as {mask!r}. "
        "Say with --mask-pattern what their names share, as in 'mask_(.+)'."
    )


def _cases(pairs: dict[Path, Path], stems: dict[Path, str], request: CustomDataRequest) -> list[ImageMaskPair]:
    names = {image: file_name(stems[image]) for image in pairs}
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        found = ", ".join(repr(str(image)) for image, name in names.items() if name == twice[0])
        raise DataError(f"expected names that differ in letters and digits, got {found}: rename one.")
    groups = group_names((stems[image] for image in pairs), request.group_pattern)
    return [
        ImageMaskPair(names[image], image, mask, group)
        for (image, mask), group in zip(pairs.items(), groups, strict=True)
    ]


def group_names(stems: Iterable[str], pattern: str | None) -> list[str]:
    """Return the patient in each name, by the first group of a regular expression; without one, the name itself.

    Raises:
        DataError: if the pattern does not match a name.
    """
    compiled = compile_pattern(pattern, "--group-pattern")
    groups = []
    for stem in stems:
        match = compiled.search(stem) if compiled else None
        if compiled and not (match and match[1]):
            raise DataError(
                f"expected a --group-pattern that finds the patient in every name, but {pattern!r} does not match "
                f"{stem!r}."
            )
        groups.append(match[1] if match else stem)
    return groups
