"""The archives of MedCLIPSeg, all in one form: {Train,Val,Test}_Folder/{img,label}/."""

from __future__ import annotations

from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, pair

_SPLITS = {"Train": "training", "Val": "validation", "Test": "test"}


def read_medclipseg(facts: DatasetFacts, files: RawFiles) -> list[RawCase]:
    """Read the three folders; a mask has the name of its image, or "_Segmentation" behind it."""
    cases = []
    for part, split in _SPLITS.items():
        images, masks = files.in_folder(f"{part}_Folder/img"), files.in_folder(f"{part}_Folder/label")
        named = {stem: f"{stem}_Segmentation" for stem in images if f"{stem}_Segmentation" in masks}
        mask_stem = lambda stem, named=named: named.get(stem, stem)  # noqa: E731
        cases += pair(images, masks, mask_stem=mask_stem, class_name=facts.class_of, group=facts.group, split=split)
    return cases
