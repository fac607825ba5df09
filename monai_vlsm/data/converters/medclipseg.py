"""The archives of MedCLIPSeg, all in one form: {Train,Val,Test}_Folder/{img,label}/."""

from __future__ import annotations

import re
from collections.abc import Callable

from monai_vlsm.data.raw import Case, RawFiles, pair

from .brain import brisc_tumor
from .folders import clinicdb_sequence

_SPLITS = {"Train": "training", "Val": "validation", "Test": "test"}
_GROUPS: dict[str, Callable[[str], str]] = {
    "clinicdb": clinicdb_sequence,
    "eus": lambda stem: stem.split("_")[0],
    "busbra": lambda stem: re.sub(r"\D+", "", stem),
}
"""From the stem of an image to its patient or sequence."""


def split_folders(name: str, files: RawFiles) -> list[Case]:
    """Read the three folders; a mask has the name of its image, or "_Segmentation" behind it."""
    cases = []
    for part, split in _SPLITS.items():
        images, masks = files.below(f"{part}_Folder/img"), files.below(f"{part}_Folder/label")
        named = {stem: f"{stem}_Segmentation" for stem in images if f"{stem}_Segmentation" in masks}
        mask_stem = lambda stem, named=named: named.get(stem, stem)  # noqa: E731
        cases += pair(
            images,
            masks,
            mask_stem=mask_stem,
            class_name=brisc_tumor if name == "brisc" else lambda stem: "",
            group=_GROUPS.get(name, lambda stem: ""),
            split=split,
        )
    return cases
