"""Chest X-rays and CT: findings of CheXlocalize, run-length encoded in JSON, and COVID-19 infections."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.medclipseg import with_sentences
from monai_vlsm.data.sets.raw import RawCase, RawFiles, one_per_name, optional_module, pair, prepared_name


def chexlocalize(files: RawFiles) -> list[RawCase]:
    """Read gt_segmentations_{val,test}.json and the X-rays patient*/study*/view*.jpg; a case per finding."""
    pattern = r"(?P<patient>patient\d+)/(?P<study>study\d+)/view\w+\.(?:jpg|png)"
    pictures = one_per_name(
        (f"{found['patient']}_{found['study']}_{path.stem}", path) for path, found in files.matching(pattern)
    )
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
    """Read the training and the test set of version 2; masks have the name of their image behind "mask_"."""
    newest = "QaTa-COV19-v2/" if files.in_folder("QaTa-COV19-v2/Train Set/Images") else ""
    return [
        case
        for part, split in (("Train Set", ""), ("Test Set", "test"))
        for case in pair(
            files,
            f"{newest}{part}/Images",
            f"{newest}{part}/Ground-truths",
            mask_stem="mask_{}".format,
            group=qata_subject,
            split=split,
        )
    ]


def qata_subject(stem: str) -> str:
    """Return the subject in a name such as sub-S08047_ses-E16280_run-1; other images stand for themselves."""
    found = re.search(r"sub-S\d+", stem)
    return found[0] if found else stem.removeprefix("mask_")


def mosmed(files: RawFiles) -> list[RawCase]:
    """Read frames/ and masks/ of Kaggle."""
    return pair(files, "frames", "masks", group=mosmed_scan)


def mosmed_scan(stem: str) -> str:
    """Return the scan in a name such as Morozov_study_0255_9 or Jun_coronacases_case1_119; others are one each."""
    found = re.fullmatch(r"(Morozov_study_\d+|Jun_\w+_case\d+)_\d+", stem)
    return found[1] if found else stem


_MOSMED_PROMPT = "Pulmonary infection in the chest CT."

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
        license="Login and data use agreement of Stanford; non-commercial, no redistribution.",
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
        license="Kaggle login; research, cite the authors. Check its page.",
        citation="A. Degerli et al.: OSegNet: Operational Segmentation Network for COVID-19 Detection. ICIP 2022.",
        size="9258 images",
        raw=(
            "archive.zip (QaTa-COV19-v2/{Train Set,Test Set}/), {Train,Val,Test}_Folder/ of LViT, or Covid19.zip of "
            "MedCLIPSeg"
        ),
        medclipseg="Covid19",
        leaks="434 subjects of the validation images are in training, too: --split by_sequence",
        read=qata_cov19,
        group=qata_subject,
    ),
    DatasetFacts(
        name="mosmed",
        title="MosMedData+",
        modality="chest CT",
        target="infection",
        prompt=_MOSMED_PROMPT,
        class_name="pulmonary infection",
        family="sentence",
        where="in the chest CT",
        source="https://www.kaggle.com/datasets/maedemaftouni/covid19-ct-scan-lesion-segmentation-dataset",
        license=(
            "Kaggle login. The slices of MosMedData are CC BY-NC-ND 3.0: non-commercial, and nothing made of them may "
            "be passed on. The terms of the other slices (Jun, bjorke) and of the sentences were not found."
        ),
        citation=(
            "S. P. Morozov et al.: MosMedData: Chest CT Scans With COVID-19 Related Findings Dataset. "
            "arXiv 2005.06465 (2020); the sentences: Z. Li et al.: LViT: Language meets Vision Transformer in Medical "
            "Image Segmentation. arXiv 2206.14718 (2022)."
        ),
        prompt_source="The prompts are sentences of LViT, which you fetch yourself:\nhttps://github.com/HUANGLIZI/LViT.",
        size="2729 slices",
        raw=(
            "archive.zip of Kaggle (frames/, masks/) and the sheets {Train,Val,Test}_text*.xlsx that LViT links to, or "
            "{Train,Val,Test}_Folder/ with both; without the sheets prompts come from the masks"
        ),
        texts="LViT",
        leaks=(
            "others have counted 70 scans with slices in several splits of LViT: --split by_sequence; names such as "
            "bjorke_8 tell no scan"
        ),
        read=mosmed,
        finish=partial(with_sentences, prompt=_MOSMED_PROMPT),
        group=mosmed_scan,
    ),
)
