"""Breast ultrasound: BUSI, BUS-BRA, BUID and UDIAT."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from pathlib import Path

from monai_vlsm.data.raw import Case, Mask, RawFiles, bright_mask, pair, prepared_name, read_listed, union
from monai_vlsm.errors import MissingFileError


def busi(files: RawFiles) -> list[Case]:
    """Read benign/, malignant/ and normal/; an image may have several masks, which are one annotation."""
    images: dict[tuple[str, str], Path] = {}
    masks: dict[tuple[str, str], list[Path]] = defaultdict(list)
    pattern = r"(?P<kind>benign|malignant|normal)/(?P=kind) ?\((?P<number>\d+)\)(?P<mask>_mask(?:_\d+)?)?\.png"
    for path, found in files.matching(pattern):
        which = (found["kind"].lower(), found["number"])
        if found["mask"]:
            masks[which].append(path)
        else:
            images[which] = path
    return [
        Case(
            image=f"{number}_{kind}.png",
            label=f"{number}_{kind}.png",
            image_source=path,
            read_mask=partial(_union_of_files, masks[kind, number]),
        )
        for (kind, number), path in images.items()
    ]


def _union_of_files(paths: list[Path]) -> Mask:
    if not paths:
        raise MissingFileError("it has no mask")
    return union(bright_mask(path) for path in paths)


def busbra(files: RawFiles) -> list[Case]:
    """Read Images/ and Masks/; the number in a name is the patient."""
    return pair(
        files.below("Images"),
        files.below("Masks"),
        mask_stem=lambda stem: stem.replace("bus_", "mask_"),
        label_stem=lambda stem: stem,
        group=lambda stem: re.sub(r"\D+", "", stem),
    )


def buid(files: RawFiles) -> list[Case]:
    """Read "N Benign Image.bmp" beside "N Benign Mask.tif", and the same for malignant tumours."""
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path, found in files.matching(r"(?P<case>\d+ (?:Benign|Malignant)) (?P<what>Image|Mask)\.\w+"):
        (images if found["what"].lower() == "image" else masks)[found["case"]] = path
    return [
        Case(
            image=prepared_name(path),
            label=f"{path.stem}.png",
            image_source=path,
            read_mask=partial(read_listed, masks, case),
        )
        for case, path in images.items()
    ]


def udiat(files: RawFiles) -> list[Case]:
    """Read original/ and GT/."""
    return pair(files.below("original"), files.below("GT"))
