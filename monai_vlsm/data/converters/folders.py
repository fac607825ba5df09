"""Data sets that are a folder of images and a folder of masks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from monai_vlsm.data.raw import Case, RawFiles, empty_mask, pair, read_listed

# First frame of each of the 29 video sequences (README of CVC-ClinicDB); the published split cuts through all of them.
_CLINICDB_STARTS = (
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298, 318, 343, 364, 384, 409, 429, 448, 467),
    *(479, 504, 529, 547, 572, 592),
)


def kvasir_seg(files: RawFiles) -> list[Case]:
    """Read images/ and masks/ with JPEG masks."""
    return pair(files.below("images"), files.below("masks"))


def bkai(files: RawFiles) -> list[Case]:
    """Read train/ and train_gt/, neoplastic polyps red and others green."""
    return pair(files.below("train"), files.below("train_gt"))


def clinicdb_sequence(stem: str) -> str:
    """Return the video sequence of a frame, "sequence 01" to "sequence 29"."""
    return f"sequence {bisect_right(_CLINICDB_STARTS, int(stem)):02d}"


def clinicdb(files: RawFiles) -> list[Case]:
    """Read Original/ and Ground Truth/, TIF or PNG."""
    return pair(files.below("Original"), files.below("Ground Truth"), group=clinicdb_sequence)


def _in_parts(files: RawFiles, splits: Mapping[str, str], images: str, masks: str, mask: str) -> list[Case]:
    """Read a folder of images and one of masks per part.

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
            files.below(images.format(part)), files.below(masks.format(part)), mask_stem=mask.format, split=split
        )
    ]


def isic16(files: RawFiles) -> list[Case]:
    """Read training and test data; validation images are chosen among the training images."""
    folders = "ISBI2016_ISIC_Part1_{}_Data", "ISBI2016_ISIC_Part1_{}_GroundTruth"
    return _in_parts(files, {"Training": "training", "Test": "test"}, *folders, "{}_Segmentation")


def isic18(files: RawFiles) -> list[Case]:
    """Read training, validation and test data."""
    splits = {"Training": "training", "Validation": "validation", "Test": "test"}
    return _in_parts(files, splits, "ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth", "{}_segmentation")


def dfu(files: RawFiles) -> list[Case]:
    """Read images/ and labels/."""
    return pair(files.below("images"), files.below("labels"))


def colondb(files: RawFiles) -> list[Case]:
    """Read CVC-ColonDB of the test sets of PraNet."""
    return pair(files.below("CVC-ColonDB/images"), files.below("CVC-ColonDB/masks"))


def cvc300(files: RawFiles) -> list[Case]:
    """Read CVC-300 of the test sets of PraNet."""
    return pair(files.below("CVC-300/images"), files.below("CVC-300/masks"))


def etis(files: RawFiles) -> list[Case]:
    """Read ETIS-Larib of the test sets of PraNet."""
    return pair(files.below("ETIS-LaribPolypDB/images"), files.below("ETIS-LaribPolypDB/masks"))


def qata_cov19(files: RawFiles) -> list[Case]:
    """Read the training and the test set; masks have the name of their image behind "mask_"."""
    return _in_parts(files, {"Train Set": "", "Test Set": "test"}, "{}/Images", "{}/Ground-truths", "mask_{}")


def eus(files: RawFiles) -> list[Case]:
    """Read EUS_cancer/ with its Annotations/ and EUS_healthy/, whose frames have no mask; a folder is a patient."""
    cases = []
    masks: dict[str, dict[str, Path]] = {}
    for path, found in files.matching(r"EUS_(?P<kind>cancer|healthy)/(?P<patient>[CH]\d+)/[^/]+\.tif"):
        patient = found["patient"]
        if patient not in masks:
            masks[patient] = files.below(f"EUS_cancer/Annotations/{patient}")
        healthy = found["kind"].lower() == "healthy"
        name = f"{patient}_{path.stem}.png"
        cases.append(
            Case(
                image=name,
                label=name,
                image_source=path,
                read_mask=partial(empty_mask, path) if healthy else partial(read_listed, masks[patient], path.stem),
                group=patient,
            )
        )
    return cases
