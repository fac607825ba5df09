"""Breast ultrasound: tumors."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.names import RASTER_SUFFIXES
from monai_vlsm.data.pictures import open_picture
from monai_vlsm.data.sets.birads import breast
from monai_vlsm.data.sets.facts import ASK, MEDCLIPSEG, NO_TERMS, DatasetFacts
from monai_vlsm.data.sets.raw import (
    RawCase,
    RawFiles,
    one_per_name,
    pair,
    prepared_name,
    read_mask,
    read_named_mask,
    union,
)
from monai_vlsm.errors import DataError, MissingFileError

_BREAST = "in the breast ultrasound image"
_KINDS = ("malignant tumor", "benign tumor")
"""What the red and the green of a mask of BUS-UCLM say."""
_HALF = 127
_TCIA = "https://www.cancerimagingarchive.net/wp-content/uploads"


def _breast(name: str, title: str, **facts: Any) -> DatasetFacts:
    return DatasetFacts(
        name,
        title,
        "breast ultrasound",
        "tumor",
        f"Tumor {_BREAST}.",
        class_name="tumor",
        family="sentence",
        where=_BREAST,
        **facts,
    )


def busi(files: RawFiles) -> list[RawCase]:
    """Read benign/, malignant/ and normal/; an image may have several masks, which are one annotation."""
    pattern = r"(?P<kind>benign|malignant|normal)/(?P=kind) ?\((?P<number>\d+)\)(?P<mask>_mask(?:_\d+)?)?\.png"
    found = one_per_name(
        ((match["kind"].lower(), match["number"], (match["mask"] or "").lower()), path)
        for path, match in files.matching(pattern)
    )
    images = {(kind, number): path for (kind, number, mask), path in found.items() if not mask}
    masks: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for (kind, number, mask), path in found.items():
        masks[kind, number] += [path] if mask else []
    return [
        RawCase(
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
    return union(read_mask(path) for path in paths)


def busbra_patient(stem: str) -> str:
    """Return the number of the patient in a name such as bus_0001-l."""
    return re.sub(r"\D+", "", stem)


def busbra(files: RawFiles) -> list[RawCase]:
    """Read Images/ and Masks/; the number in a name is the patient."""
    return pair(
        files,
        "Images",
        "Masks",
        mask_stem=lambda stem: stem.replace("bus_", "mask_"),
        label_stem=lambda stem: stem,
        group=busbra_patient,
    )


def buid(files: RawFiles) -> list[RawCase]:
    """Read "N Benign Image.bmp" beside "N Benign Mask.tif", and the same for malignant tumors."""
    pattern = r"(?P<case>\d+ (?:Benign|Malignant)) (?P<what>Image|Mask)\.\w+"
    found = one_per_name(
        ((match["case"], match["what"].lower()), path)
        for path, match in files.matching(pattern)
        if path.suffix.lower() in RASTER_SUFFIXES
    )
    images = {case: path for (case, what), path in found.items() if what == "image"}
    return [
        RawCase(
            image=prepared_name(path),
            label=f"{path.stem}.png",
            image_source=path,
            read_mask=partial(read_named_mask, found.get((case, "mask")), f"{case} Mask"),
        )
        for case, path in images.items()
    ]


def busuc(files: RawFiles) -> list[RawCase]:
    """Read Benign/ and Malignant/; All/ repeats them."""
    kinds = ("Benign", "Malignant")
    return [case for kind in kinds for case in pair(files, f"{kind}/images", f"{kind}/masks")]


def uclm_patient(stem: str) -> str:
    """Return the patient in a name such as ALWI_000."""
    return stem.rpartition("_")[0]


def bus_uclm(files: RawFiles) -> list[RawCase]:
    """Read images/ and masks/; in a mask benign tumors are green and malignant ones red, of normal images it is black.

    What p1 says is the same for all of them, so that it does not tell which images are normal.
    """
    masks = files.in_folder("masks")
    cases = pair(files, "images", "masks", group=uclm_patient)
    return [replace(case, kind=_kind_by_color(masks.get(case.key))) for case in cases]


def _kind_by_color(mask: Path | None) -> str:
    """Return what a mask says of its tumors; empty if there are none or of both kinds, or it cannot be read."""
    if mask is None:
        return ""
    try:
        with open_picture(mask) as picture:
            bright = np.asarray(picture.convert("RGB")) > _HALF
    except DataError:  # told when the mask is read
        return ""
    kinds = [kind for channel, kind in enumerate(_KINDS) if bright[..., channel].any()]
    return kinds[0] if len(kinds) == 1 else ""


def udiat(files: RawFiles) -> list[RawCase]:
    """Read original/ and GT/."""
    return pair(files, "original", "GT")


SETS = (
    _breast(
        "busi",
        "Breast Ultrasound Images (BUSI)",
        source="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
        license=(
            f"The article is open access; the page of the images states no license, mirrors name different ones. {ASK}"
        ),
        citation=(
            "W. Al-Dhabyani, M. Gomaa, H. Khaled, A. Fahmy: Dataset of breast ultrasound images. "
            "Data in Brief 28 (2020) 104863."
        ),
        size="780 images, 133 of them normal",
        raw="Dataset_BUSI.zip (Dataset_BUSI_with_GT/)",
        medvlsm="busi",
        medclipseg="BUSI",
        leaks=(
            "some images are there twice, even as benign and as normal: --split deduplicated catches those with equal "
            "pixels, not the 235 similar ones (Pawlowska et al., Data in Brief 48 (2023) 109247)"
        ),
        read=busi,
    ),
    _breast(
        "udiat",
        "UDIAT (Dataset B)",
        source="http://helward.mmu.ac.uk/STAFF/M.Yap/dataset.php",
        license="Signed license agreement with M. H. Yap; no redistribution.",
        citation="M. H. Yap et al.: Automated Breast Ultrasound Lesions Detection. IEEE JBHI 22 (2018).",
        size="163 images",
        raw="a folder with original/ and GT/, or UDIAT.zip of MedCLIPSeg",
        medclipseg="UDIAT",
        read=udiat,
    ),
    _breast(
        "breast",
        "BrEaST",
        source="https://doi.org/10.7937/9WKK-Q141",
        license="CC BY 4.0, under the data usage policy of TCIA; cite the collection and the article.",
        citation=(
            "A. Pawlowska et al.: Curated benchmark dataset for ultrasound based breast lesion analysis. "
            "Scientific Data 11 (2024), doi 10.1038/s41597-024-02984-z; the collection: TCIA, doi 10.7937/9WKK-Q141."
        ),
        prompt_source="The prompts are the words of the radiologist in the sheet of the collection.",
        size="256 images of 256 patients, 4 of them normal",
        raw=(
            "BrEaST-Lesions_USG-images_and_masks-Dec-15-2023.zip and the sheet "
            "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx, without which prompts come from the masks"
        ),
        downloads={
            f"{_TCIA}/BrEaST-Lesions_USG-images_and_masks-Dec-15-2023.zip": "",
            f"{_TCIA}/BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx": "",
        },
        texts="BI-RADS words",
        read=partial(breast, where=_BREAST),
    ),
    _breast(
        "busbra",
        "BUS-BRA",
        source="https://zenodo.org/records/8231412",
        license="CC BY 4.0; whoever uses the images has to cite the article.",
        citation="W. Gomez-Flores et al.: BUS-BRA: A Breast Ultrasound Dataset. Medical Physics 51 (2024).",
        size="1875 images of 1064 patients",
        raw="BUSBRA.zip (Images/, Masks/)",
        downloads={
            "https://zenodo.org/records/8231412/files/BUSBRA.zip": (
                "ba3e6ed19cc37c682d8d39e25435bbf8a555a12cb7e641b5f2117685c95580ff"
            )
        },
        medclipseg="BUSBRA",
        leaks="377 of 1064 patients are in more than one split: --split by_sequence",
        evaluate_with="busi",
        read=busbra,
        group=busbra_patient,
    ),
    _breast(
        "busuc",
        "BUSUC",
        source="https://data.mendeley.com/datasets/3ksd7w7jkx/1",
        license=f"The images come from ultrasoundcases.info; {NO_TERMS[0].lower()}{NO_TERMS[1:]}",
        citation="see https://www.sciencedirect.com/science/article/pii/S0952197623014768",
        size="811 images",
        raw="BUS_UC ({Benign,Malignant}/{images,masks}/), or BUSUC.zip of MedCLIPSeg",
        downloads={f"{MEDCLIPSEG}/BUSUC.zip": ""},
        medclipseg="BUSUC",
        evaluate_with="busi",
        read=busuc,
    ),
    _breast(
        "buid",
        "BUID",
        source="QAMEBI (https://qamebi.com)",
        license=NO_TERMS,
        citation=(
            "A. Abbasian Ardakani et al.: Computers in Biology and Medicine (2023), "
            "doi 10.1016/j.compbiomed.2022.106438."
        ),
        size="232 images",
        raw="Benign.zip and Malignant.zip ('N Benign Image.bmp', 'N Benign Mask.tif'), or BUID.zip of MedCLIPSeg",
        downloads={f"https://qamebi.com/wp-content/uploads/2022/11/{kind}.zip": "" for kind in ("Benign", "Malignant")},
        medclipseg="BUID",
        evaluate_with="busi",
        read=buid,
    ),
    _breast(
        "bus_uclm",
        "BUS-UCLM",
        source="https://data.mendeley.com/datasets/7fvgj4jsp7/3",
        license="CC BY 4.0.",
        citation=(
            "N. Vallez et al.: BUS-UCLM: Breast ultrasound lesion segmentation dataset. Scientific Data 12 (2025) 242, "
            "doi 10.1038/s41597-025-04562-3."
        ),
        size="683 images of 38 patients, 419 of them normal",
        raw="the archive of Mendeley, or that of Kaggle's copy (BUS-UCLM/{images,masks}/)",
        evaluate_with="busi",
        read=bus_uclm,
    ),
)
