"""Brain MRI: the MATLAB files of Jun Cheng's tumors, and BRISC."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.sets.facts import ASK, MEDCLIPSEG, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, optional_module
from monai_vlsm.errors import DataError

_FIGSHARE = "https://ndownloader.figshare.com/files"


TUMORS = {1: "meningioma", 2: "glioma", 3: "pituitary tumor"}


def tumor_in(text: str) -> str:
    """Return the kind of tumour that a sentence names; empty if it names none."""
    return next((tumor for tumor in TUMORS.values() if tumor.split()[0] in text.lower()), "")


def brisc_tumor(stem: str) -> str:
    """Return the kind of tumour in the name of an image of BRISC, such as brisc2025_train_01958_me_co_t1."""
    codes = {"me": "meningioma", "gl": "glioma", "pi": "pituitary tumor"}
    return next((codes[part] for part in stem.split("_") if part in codes), "")


def brain_tumors(files: RawFiles) -> list[RawCase]:
    """Read N.mat (version 7.3): a slice, its mask, the kind of its tumour and the patient."""
    numbered = [path for path, _ in files.matching(r"\d+\.mat")]
    return [
        RawCase(
            image=f"{path.stem}.png",
            label=f"{path.stem}.png",
            image_source=partial(_picture, path),
            read_mask=partial(_mask, path),
            class_name=_field(path, "label", lambda value: TUMORS[int(np.squeeze(value[()]))]),
            group=_field(path, "PID", lambda value: "".join(map(chr, np.ravel(value[()])))),
        )
        for path in numbered
    ]


def _field(path: Path, name: str, convert: Any) -> Any:
    """Return a converted field of ``cjdata``."""
    try:
        with optional_module("h5py").File(path) as file:
            return convert(file["cjdata"][name])
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error


def _picture(path: Path) -> NDArray[np.uint8]:
    # MATLAB stores columns first, HDF5 rows first.
    values = _field(path, "image", lambda value: value[()].T.astype(np.float64))
    low, high = values.min(), values.max()
    return ((values - low) / max(high - low, 1) * 255).round().astype(np.uint8)


def _mask(path: Path) -> Mask:
    return _field(path, "tumorMask", lambda value: value[()].T > 0)


SETS = (
    DatasetFacts(
        name="btmri",
        title="Brain Tumor MRI (Jun Cheng)",
        modality="contrast-enhanced brain MRI",
        target="brain tumor",
        prompt="Meningioma in the brain MRI.",
        family="sentence",
        where="in the brain MRI",
        source="https://figshare.com/articles/dataset/brain_tumor_dataset/1512427",
        licence="CC BY 4.0 according to figshare; check its page.",
        citation="J. Cheng et al.: Enhanced Performance of Brain Tumor Classification. PLOS ONE 10 (2015).",
        size="3064 slices of 233 patients",
        raw="the four brainTumorDataPublic_*.zip (.mat), or BTMRI.zip of MedCLIPSeg (with tumour-free slices)",
        downloads=tuple(f"{_FIGSHARE}/{number}" for number in (3381290, 3381296, 3381293, 3381302)),
        medclipseg="BTMRI",
        read=brain_tumors,
    ),
    DatasetFacts(
        name="brisc",
        title="BRISC 2025",
        modality="brain MRI",
        target="brain tumor",
        prompt="Meningioma in the brain MRI.",
        family="sentence",
        where="in the brain MRI",
        source="https://huggingface.co/datasets/TahaKoleilat/MedCLIPSeg",
        licence=f"Also on Kaggle; check the terms there. {ASK}",
        citation="A. Fateh et al.: BRISC: Annotated Dataset for Brain Tumor Segmentation. arXiv 2506.14318 (2025).",
        size="6000 slices",
        raw="BRISC.zip of MedCLIPSeg",
        downloads=(f"{MEDCLIPSEG}/BRISC.zip",),
        medclipseg="BRISC",
        evaluate_with="btmri",
        class_of=brisc_tumor,
    ),
)
