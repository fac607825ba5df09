"""Dermoscopy and photographs: skin lesions and foot ulcers."""

from __future__ import annotations

from monai_vlsm.data.sets.facts import MEDCLIPSEG, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, pair, pair_parts

_ISIC = "https://isic-challenge-data.s3.amazonaws.com"


def isic16(files: RawFiles) -> list[RawCase]:
    """Read training and test data; validation images are chosen among the training images."""
    folders = "ISBI2016_ISIC_Part1_{}_Data", "ISBI2016_ISIC_Part1_{}_GroundTruth"
    return pair_parts(files, {"Training": "training", "Test": "test"}, *folders, "{}_Segmentation")


def isic18(files: RawFiles) -> list[RawCase]:
    """Read training, validation and test data."""
    splits = {"Training": "training", "Validation": "validation", "Test": "test"}
    return pair_parts(files, splits, "ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth", "{}_segmentation")


def dfu(files: RawFiles) -> list[RawCase]:
    """Read images/ and labels/."""
    return pair(files, "images", "labels")


SETS = (
    DatasetFacts(
        name="isic16",
        title="ISIC 2016",
        modality="dermoscopy",
        target="skin lesion",
        prompt="skin melanoma",
        class_name="skin melanoma",
        source="https://challenge.isic-archive.com/data/#2016",
        licence="CC-0 according to the data page of the challenge.",
        citation="D. Gutman et al.: Skin Lesion Analysis toward Melanoma Detection. arXiv 1605.01397 (2016).",
        size="1279 images",
        raw="the four ISBI2016_ISIC_Part1_*.zip",
        downloads=tuple(
            f"{_ISIC}/2016/ISBI2016_ISIC_Part1_{part}.zip"
            for part in ("Training_Data", "Training_GroundTruth", "Test_Data", "Test_GroundTruth")
        ),
        medvlsm="isic",
        medclipseg="ISIC",
        leaks="3 training images are in the test, 1 is in training twice: --split deduplicated",
        read=isic16,
    ),
    DatasetFacts(
        name="isic18",
        title="ISIC 2018 Task 1",
        modality="dermoscopy",
        target="skin lesion",
        prompt="skin lesion",
        class_name="skin lesion",
        source="https://challenge.isic-archive.com/data/#2018",
        licence=(
            "CC BY-NC 4.0. Of the 1279 images of isic16, 1147 are in its training set: never train on one and test on "
            "the other."
        ),
        citation="N. Codella et al.: Skin Lesion Analysis Toward Melanoma Detection 2018. arXiv 1902.03368 (2019).",
        size="2594 / 100 / 1000 images",
        raw="the six ISIC2018_Task1*.zip",
        downloads=tuple(
            f"{_ISIC}/2018/ISIC2018_Task1{part}.zip"
            for split in ("Training", "Validation", "Test")
            for part in (f"-2_{split}_Input", f"_{split}_GroundTruth")
        ),
        read=isic18,
    ),
    DatasetFacts(
        name="dfu",
        title="DFUC 2022",
        modality="photographs of feet",
        target="foot ulcer",
        prompt="foot ulcer",
        class_name="foot ulcer",
        source="https://dfuc2022.grand-challenge.org/dataset/",
        licence="Licence agreement with Manchester Metropolitan University; no redistribution.",
        citation=(
            "C. Kendrick et al.: Translating Clinical Delineation of Diabetic Foot Ulcers into Machine Interpretable "
            "Segmentation. arXiv 2204.11618 (2022)."
        ),
        size="2000 images with masks",
        raw="DFUC2022_train_release.zip (images/, labels/)",
        medvlsm="dfu",
        read=dfu,
    ),
    DatasetFacts(
        name="uwaterloo_skin",
        title="UWaterloo skin cancer",
        modality="photographs of skin",
        target="skin lesion",
        prompt="skin melanoma",
        class_name="skin melanoma",
        source="https://uwaterloo.ca/vision-image-processing-lab/research-demos/skin-cancer-detection",
        licence="Non-commercial. Check its page.",
        citation="J. Glaister et al.: Segmentation of Skin Lesions From Digital Images. IEEE TBME 61 (2014).",
        size="173 images",
        raw="UWaterlooSkinCancer.zip of MedCLIPSeg",
        downloads=(f"{MEDCLIPSEG}/UWaterlooSkinCancer.zip",),
        medclipseg="UWaterlooSkinCancer",
        evaluate_with="isic16",
    ),
)
