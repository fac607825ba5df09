"""Thyroid ultrasound: nodules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from monai_vlsm.data.sets.facts import MASK_PROMPTS, NO_TERMS, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, one_per_name, pair
from monai_vlsm.data.sets.split_lists import follow_lists
from monai_vlsm.errors import DataError

_FOLD = "tn3k-trainval-fold0"
_PARTS = {"train": "training", "val": "validation"}


def tn3k(files: RawFiles) -> list[RawCase]:
    """Read {trainval,test}-{image,mask}/, whose numbers are the same; the makers' fold 0 tells which are validation."""
    training, test = (
        [
            replace(case, image=f"{part}_{case.image}", label=f"{part}_{case.label}")
            for case in pair(files, f"{part}-image", f"{part}-mask", split=split)
        ]
        for part, split in (("trainval", "training"), ("test", "test"))
    )
    folds = one_per_name((path.stem, path) for path, _ in files.matching(rf"{_FOLD}\.json"))
    if training and folds:
        training = follow_lists(training, _read_fold(*folds.values()), f"{_FOLD}.json")
    return training + test


def _read_fold(path: Path) -> dict[str, list[str]]:
    """Read {"train": [number, ...], "val": [...]}; images are called by four digits."""
    try:
        fold = json.loads(path.read_text(encoding="utf-8"))
        return {split: [f"trainval_{number:04d}" for number in fold[part]] for part, split in _PARTS.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{str(path)!r} is not what its makers published, lists of numbers called train and val ({error!r}): "
            "fetch it again, or remove it to have the validation images drawn."
        ) from error


SETS = (
    DatasetFacts(
        name="tn3k",
        title="TN3K",
        modality="thyroid ultrasound",
        target="nodule",
        prompt="Thyroid nodule in the ultrasound image.",
        class_name="thyroid nodule",
        family="sentence",
        where="in the ultrasound image",
        source="https://github.com/haifangong/TRFE-Net-for-thyroid-nodule-segmentation",
        license=NO_TERMS,
        citation=(
            "H. Gong et al.: Thyroid Region Prior Guided Attention for Ultrasound Segmentation of Thyroid Nodules. "
            "Computers in Biology and Medicine (2023), doi 10.1016/j.compbiomed.2022.106389."
        ),
        prompt_source=MASK_PROMPTS,
        size="2879 and 614 images of 2421 patients",
        raw="the archive of its page (Thyroid Dataset/tn3k/{trainval,test}-{image,mask}/)",
        checksums={"the archive": "0ba1770076dab01b1f8fd661a227d80982168bc433de61c80fd266427b20cf60"},
        leaks="the files do not tell patients: images of one are perhaps in training and validation, or in the test",
        read=tn3k,
    ),
)
