"""Breast ultrasound: tumors."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.names import RASTER_SUFFIXES
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
from monai_vlsm.errors import MissingFileError

_BREAST = "in the breast ultrasound image"


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
    """Read "N Benign Image.bmp" beside "N Benign Mask.tif", and the same for malignant tumours."""
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


def udiat(files: RawFiles) -> list[RawCase]:
    """Read original/ and GT/."""
    return pair(files, "original", "GT")


SETS = (
    _breast(
        "busi",
        "Breast Ultrasound Images (BUSI)",
        source="https://scholar.cu.edu.eg/?q=afahmy/pages/dataset",
        licence=(
            f"The article is open access; the page of the images states no licence, mirrors name different ones. {ASK}"
        ),
        citation=(
            "W. Al-Dhabyani, M. Gomaa, H. Khaled, A. Fahmy: Dataset of breast ultrasound images. "
            "Data in Brief 28 (2020) 104863."
        ),
        size="780 images, 133 of them normal",
        raw="Dataset_BUSI.zip (Dataset_BUSI_with_GT/)",
        medvlsm="busi",
        medclipseg="BUSI",
        read=busi,
    ),
    _breast(
        "udiat",
        "UDIAT (Dataset B)",
        source="http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php",
        licence="Signed licence agreement with M. H. Yap; no redistribution.",
        citation="M. H. Yap et al.: Automated Breast Ultrasound Lesions Detection. IEEE JBHI 22 (2018).",
        size="163 images",
        raw="a folder with original/ and GT/, or UDIAT.zip of MedCLIPSeg",
        medclipseg="UDIAT",
        read=udiat,
    ),
    _breast(
        "busbra",
        "BUS-BRA",
        source="https://zenodo.org/records/8231412",
        licence="CC BY 4.0 according to Zenodo; the article says academic and research use. Check both.",
        citation="W. Gomez-Flores et al.: BUS-BRA: A Breast Ultrasound Dataset. Medical Physics 51 (2024).",
        size="1875 images of 1064 patients",
        raw="BUSBRA.zip (Images/, Masks/)",
        downloads=("https://zenodo.org/records/8231412/files/BUSBRA.zip",),
        medclipseg="BUSBRA",
        leaks="377 of 1064 patients are in more than one split: --split by_sequence",
        evaluate_with="busi",
        read=busbra,
        group=busbra_patient,
    ),
    _breast(
        "busuc",
        "BUSUC",
        source="https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg",
        licence=NO_TERMS,
        citation="see https://www.sciencedirect.com/science/article/pii/S0952197623014768",
        size="811 images",
        raw="BUSUC.zip of MedCLIPSeg",
        downloads=(f"{MEDCLIPSEG}/BUSUC.zip",),
        medclipseg="BUSUC",
        evaluate_with="busi",
    ),
    _breast(
        "buid",
        "BUID",
        source="https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg",
        licence=NO_TERMS,
        citation="see https://www.sciencedirect.com/science/article/pii/S0010482522011465",
        size="232 images",
        raw="BUID.zip of MedCLIPSeg, or a folder with 'N Benign Image.bmp' and 'N Benign Mask.tif'",
        downloads=(f"{MEDCLIPSEG}/BUID.zip",),
        medclipseg="BUID",
        evaluate_with="busi",
        read=buid,
    ),
)
