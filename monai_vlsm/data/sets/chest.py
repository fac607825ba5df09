"""Chest X-rays: findings of CheXlocalize, run-length encoded in JSON, and COVID-19 infections."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, optional_module, pair_parts, prepared_name


def chexlocalize(files: RawFiles) -> list[RawCase]:
    """Read gt_segmentations_{val,test}.json and the X-rays patient*/study*/view*.jpg; a case per finding."""
    pattern = r"(?P<patient>patient\d+)/(?P<study>study\d+)/view\w+\.(?:jpg|png)"
    pictures = {f"{found['patient']}_{found['study']}_{path.stem}": path for path, found in files.matching(pattern)}
    cases = []
    for path, _ in files.matching(r"gt_segmentations_\w+\.json"):
        for stem, findings in json.loads(path.read_text(encoding="utf-8")).items():
            if stem not in pictures:
                continue
            picture = pictures[stem]
            cases += [
                RawCase(
                    image=f"{stem}{prepared_name(picture).removeprefix(picture.stem)}",
                    label=f"{stem}_{finding.lower().replace(' ', '_')}.png",
                    image_source=picture,
                    read_mask=partial(_decode, encoded),
                    class_name=finding,
                    group=stem.split("_")[0],
                )
                for finding, encoded in findings.items()
                if _area(encoded)
            ]
    return cases


def _area(encoded: dict[str, Any]) -> int:
    return int(optional_module("pycocotools.mask").area(encoded))


def _decode(encoded: dict[str, Any]) -> Mask:
    return optional_module("pycocotools.mask").decode(encoded).astype(bool)


def qata_cov19(files: RawFiles) -> list[RawCase]:
    """Read the training and the test set; masks have the name of their image behind "mask_"."""
    return pair_parts(files, {"Train Set": "", "Test Set": "test"}, "{}/Images", "{}/Ground-truths", "mask_{}")


SETS = (
    DatasetFacts(
        name="chexlocalize",
        title="CheXlocalize",
        modality="chest X-ray",
        target="finding",
        prompt="Airspace Opacity in a chest Xray.",
        family="sentence",
        where="in a chest Xray",
        source="https://stanfordaimi.azurewebsites.net/datasets/23c56a0d-15de-405b-87c8-99c30138950c",
        licence="Login and data use agreement of Stanford; non-commercial, no redistribution.",
        citation=(
            "A. Saporta et al.: Benchmarking saliency methods for chest X-ray interpretation. "
            "Nature Machine Intelligence 4 (2022)."
        ),
        size="10 findings in the X-rays of 573 patients",
        raw="CheXpert/{val,test}/ and CheXlocalize/gt_segmentations_{val,test}.json",
        medvlsm="chexlocalize",
        read=chexlocalize,
    ),
    DatasetFacts(
        name="qata_cov19",
        title="QaTa-COV19-v2",
        modality="chest X-ray",
        target="infection",
        prompt="Pulmonary infection in the chest X-ray.",
        class_name="pulmonary infection",
        family="sentence",
        where="in the chest X-ray",
        source="https://www.kaggle.com/datasets/aysendegerli/qatacov19-dataset",
        licence="Kaggle login; research, cite the authors. Check its page.",
        citation="A. Degerli et al.: OSegNet: Operational Segmentation Network for COVID-19 Detection. ICIP 2022.",
        size="9258 images",
        raw="archive.zip (QaTa-COV19-v2/{Train Set,Test Set}/), or Covid19.zip of MedCLIPSeg",
        medclipseg="Covid19",
        read=qata_cov19,
    ),
)
