"""Dermoscopy and photographs: skin lesions and foot ulcers."""

from __future__ import annotations

import re
from functools import partial

from monai_vlsm.data.sets.facts import MASK_PROMPTS, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, one_per_name, pair, pair_parts, read_named_mask

_ISIC = "https://isic-challenge-data.s3.amazonaws.com"
_ISIC_2018 = {
    "-2_Training_Input": "80f98572347a2d7a376227fa9eb2e4f7459d317cb619865b8b9910c81446675f",
    "_Training_GroundTruth": "99f8b2bb3c4d6af483362010715f7e7d5d122d9f6c02cac0e0d15bef77c7604c",
    "-2_Validation_Input": "0ea920fcfe512d12a6e620b50b50233c059f67b10146e1479c82be58ff15a797",
    "_Validation_GroundTruth": "f6911e9c0a64e6d687dd3ca466ca927dd5e82145cb2163b7a1e5b37d7a716285",
    "-2_Test_Input": "e59ae1f69f4ed16f09db2cb1d76c2a828487b63d28f6ab85997f5616869b127d",
    "_Test_GroundTruth": "2e8f6edce454a5bdee52485e39f92bd6eddf357e81f39018d05512175238ef82",
}
_WATERLOO = (
    "https://uwaterloo.ca/vision-image-processing-lab/sites/ca.vision-image-processing-lab/files/uploads/files/"
    "skin_image_data_set-{}.zip"
)


def isic16(files: RawFiles) -> list[RawCase]:
    """Read training and test data; validation images are chosen among the training images."""
    folders = "ISBI2016_ISIC_Part1_{}_Data", "ISBI2016_ISIC_Part1_{}_GroundTruth"
    return pair_parts(files, {"Training": "training", "Test": "test"}, *folders, "{}_Segmentation")


def isic18(files: RawFiles) -> list[RawCase]:
    """Read training, validation and test data."""
    splits = {"Training": "training", "Validation": "validation", "Test": "test"}
    return pair_parts(files, splits, "ISIC2018_Task1-2_{}_Input", "ISIC2018_Task1_{}_GroundTruth", "{}_segmentation")


def dfu(files: RawFiles) -> list[RawCase]:
    """Read the folders of the challenge, or images/ with labels/ or masks/ as people have split them anew."""
    challenge = pair(files, "DFUC2022_train_images", "DFUC2022_train_masks")
    return challenge or pair(files, "images", "labels" if files.in_folder("labels") else "masks")


def ph2(files: RawFiles) -> list[RawCase]:
    """Read IMD003/IMD003_Dermoscopic_Image/IMD003.bmp and IMD003/IMD003_lesion/IMD003_lesion.bmp."""
    pattern = r"(?P<case>IMD\d+)_(?:Dermoscopic_Image/(?P=case)|(?P<mask>lesion)/(?P=case)_lesion)\.(?:bmp|png)"
    found = one_per_name(
        ((match["case"].upper(), match["mask"] is not None), path) for path, match in files.matching(pattern)
    )
    return [
        RawCase(
            image=f"{case}.png",
            label=f"{case}.png",
            image_source=path,
            read_mask=partial(read_named_mask, found.get((case, True)), f"{case}_lesion"),
        )
        for (case, is_mask), path in found.items()
        if not is_mask
    ]


def uwaterloo_skin(files: RawFiles) -> list[RawCase]:
    """Read the two archives: {melanoma,notmelanoma}/{dermIS,dermis,dermquest}/X_orig.jpg and X_contour.png."""
    pattern = r"(?P<folder>dermIS|dermquest)/(?P<name>[^/]+)_(?P<what>orig\.jpe?g|contour\.png)"
    found = one_per_name(
        ((f"{path.parent.name}_{match['name']}_dermoscopy_skin", match["what"].lower() == "contour.png"), path)
        for path, match in files.matching(pattern)
    )
    return [
        RawCase(
            image=f"{key}{path.suffix}",
            label=f"{key}.png",
            image_source=path,
            read_mask=partial(read_named_mask, found.get((key, True)), path.name.replace("_orig.jpg", "_contour.png")),
            group=uwaterloo_lesion(key),
        )
        for (key, is_mask), path in found.items()
        if not is_mask
    ]


def uwaterloo_lesion(stem: str) -> str:
    """Return the lesion in a name such as dermquest_D36_2_dermoscopy_skin, of which there is dermquest_D36, too."""
    return re.sub(r"(_[A-Za-z]+\d+)_\d+(?=_dermoscopy_skin$)", r"\1", stem).removesuffix("_dermoscopy_skin")


SETS = (
    DatasetFacts(
        name="isic16",
        title="ISIC 2016",
        modality="dermoscopy",
        target="skin lesion",
        prompt="skin melanoma",
        class_name="skin melanoma",
        source="https://challenge.isic-archive.com/data/#2016",
        license="CC-0 according to the data page of the challenge; others list CC BY-NC 4.0.",
        citation="D. Gutman et al.: Skin Lesion Analysis toward Melanoma Detection. arXiv 1605.01397 (2016).",
        size="1279 images",
        raw="the four ISBI2016_ISIC_Part1_*.zip",
        downloads={
            f"{_ISIC}/2016/ISBI2016_ISIC_Part1_{part}.zip": ""
            for part in ("Training_Data", "Training_GroundTruth", "Test_Data", "Test_GroundTruth")
        },
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
        license=(
            "CC BY-NC 4.0. Of the 1279 images of isic16, 1147 are in its training set: never train on one and test on "
            "the other."
        ),
        citation="N. Codella et al.: Skin Lesion Analysis Toward Melanoma Detection 2018. arXiv 1902.03368 (2019).",
        size="2594 / 100 / 1000 images",
        raw="the six ISIC2018_Task1*.zip",
        downloads={f"{_ISIC}/2018/ISIC2018_Task1{part}.zip": sha256 for part, sha256 in _ISIC_2018.items()},
        leaks="images of one lesion are perhaps in two splits: the names tell images apart, not lesions",
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
        license="License agreement with Manchester Metropolitan University; non-commercial, no redistribution.",
        citation=(
            "C. Kendrick et al.: Translating Clinical Delineation of Diabetic Foot Ulcers into Machine Interpretable "
            "Segmentation. arXiv 2204.11618 (2022)."
        ),
        size="2000 images with masks",
        raw="DFUC2022_train_release.zip (DFUC2022_train_images/, DFUC2022_train_masks/)",
        medvlsm="dfu",
        read=dfu,
    ),
    DatasetFacts(
        name="ph2",
        title="PH2",
        modality="dermoscopy",
        target="skin lesion",
        prompt="skin lesion",
        class_name="skin lesion",
        source="https://www.fc.up.pt/addi/ph2%20database.html",
        license="A form has to be filled in; research only.",
        citation=(
            "T. Mendonca et al.: PH2 - A Dermoscopic Image Database for Research and Benchmarking. EMBC 2013, "
            "doi 10.1109/EMBC.2013.6610779."
        ),
        prompt_source=MASK_PROMPTS,
        size="200 images",
        raw="the unpacked PH2Dataset.rar, or the archive of its Kaggle copy (PH2 Dataset images/IMD003/...)",
        evaluate_with="isic18",
        read=ph2,
    ),
    DatasetFacts(
        name="uwaterloo_skin",
        title="UWaterloo skin cancer",
        modality="photographs of skin",
        target="skin lesion",
        prompt="skin melanoma",
        class_name="skin melanoma",
        source="https://uwaterloo.ca/vision-image-processing-lab/research-demos/skin-cancer-detection",
        license="Non-commercial. Check its page.",
        citation="J. Glaister et al.: Segmentation of Skin Lesions From Digital Images. IEEE TBME 61 (2014).",
        size="206 images, 173 of them with published prompts",
        raw="skin_image_data_set-1.zip and skin_image_data_set-2.zip, or UWaterlooSkinCancer.zip of MedCLIPSeg",
        downloads={
            _WATERLOO.format(1): "1788cd3eb7a4744012aad9a154e514fc5b82b9f3b19e31cc1b6ded5fc6bed297",
            _WATERLOO.format(2): "108a818baf20b36ef4544ebda10a8075dad99e335f0535c9533bb14cb02b5c53",
        },
        medclipseg="UWaterlooSkinCancer",
        leaks="10 lesions are in training and in the test (such as D9 and D9_2): --split by_sequence",
        evaluate_with="isic16",
        read=uwaterloo_skin,
        group=uwaterloo_lesion,
    ),
)
