"""The archives of MedCLIPSeg and of LViT, all in one form: {Train,Val,Test}_Folder/{img,label}/."""

from __future__ import annotations

from collections.abc import Container
from functools import partial

from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, pair

_SPLITS = {"Train": "training", "Val": "validation", "Test": "test"}


def read_medclipseg(facts: DatasetFacts, files: RawFiles) -> list[RawCase]:
    """Read the three folders; a mask has the name of its image, or "_Segmentation" behind it.

    LViT, and the papers after it, call the folder of the masks ``labelcol``.
    """
    cases = []
    for part, split in _SPLITS.items():
        known = [f"{part}_Folder/{name}" for name in ("label", "labelcol")]
        masks = next(filter(files.in_folder, known), known[0])
        cases += pair(
            files,
            f"{part}_Folder/img",
            masks,
            mask_stem=partial(_mask_stem, files.in_folder(masks)),
            class_name=facts.class_of,
            group=facts.group,
            split=split,
        )
    return cases


def _mask_stem(masks: Container[str], stem: str) -> str:
    return f"{stem}_Segmentation" if f"{stem}_Segmentation" in masks else stem
