"""Brain MRI: the MATLAB files of Jun Cheng's tumors, and BRISC."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, empty_mask, optional_module, pair, prepared_name
from monai_vlsm.errors import DataError

_FIGSHARE = "https://ndownloader.figshare.com/files"
_CHENG = {
    3381290: "cdac0a7f4152cb34dd79b13543da96c37a6928ad8cb823e2662150b1a73ade54",
    3381296: "d18e896d14f7af791cdd3d9b9342f9f974742a06132effde5a5219209862b4ce",
    3381293: "612d9f506c55c54db5f2f38b6d50741ef97a6d7c32b3e1be76e789674a97aefb",
    3381302: "9a673c55d139133cfbc57097bf155b5ac9f33684ee97f40bf2afba332d416a3a",
}
"""Number of each of the four archives, with its sha256."""

TUMORS = {1: "meningioma", 2: "glioma", 3: "pituitary tumor"}


def tumor_in(text: str) -> str:
    """Return the kind of tumor that a sentence names; empty if it names none."""
    return next((tumor for tumor in TUMORS.values() if tumor.split()[0] in text.lower()), "")


def brisc_tumor(stem: str) -> str:
    """Return the kind of tumor in the name of an image of BRISC, such as brisc2025_train_01958_me_co_t1."""
    codes = {"me": "meningioma", "gl": "glioma", "pi": "pituitary tumor"}
    return next((codes[part] for part in stem.split("_") if part in codes), "")


def brisc(files: RawFiles) -> list[RawCase]:
    """Read segmentation_task/, and the tumor-free slices of classification_task/, whose masks are empty."""
    cases = []
    for part, split in (("train", "training"), ("test", "test")):
        folder = f"segmentation_task/{part}"
        cases += pair(files, f"{folder}/images", f"{folder}/masks", class_name=brisc_tumor, split=split)
        healthy = files.in_folder(f"classification_task/{part}/no_tumor")
        cases += [
            RawCase(prepared_name(path), f"{stem}.png", path, partial(empty_mask, path), split=split)
            for stem, path in healthy.items()
        ]
    return cases


def brain_tumors(files: RawFiles) -> list[RawCase]:
    """Read N.mat (version 7.3): a slice, its mask, the kind of its tumor and the patient."""
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
        license="CC BY 4.0 according to figshare.",
        citation="J. Cheng et al.: Enhanced Performance of Brain Tumor Classification. PLOS ONE 10 (2015).",
        size="3064 slices of 233 patients",
        raw=(
            "the four brainTumorDataPublic_*.zip (.mat), 1512427.zip with all of them, or BTMRI.zip of MedCLIPSeg "
            "(with tumor-free slices)"
        ),
        downloads={f"{_FIGSHARE}/{number}": sha256 for number, sha256 in _CHENG.items()},
        medclipseg="BTMRI",
        leaks=(
            "the published split seems to cut through patients, whose numbers only the .mat files have: preparing them "
            "counts it, --split by_sequence mends it"
        ),
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
        source="https://doi.org/10.6084/m9.figshare.30533120",
        license="CC BY 4.0.",
        citation=(
            "A. Fateh et al.: BRISC: Annotated Dataset for Brain Tumor Segmentation. Scientific Data (2026), "
            "doi 10.1038/s41597-026-06753-y."
        ),
        size="6000 slices",
        raw="brisc2025.zip (segmentation_task/, classification_task/), or BRISC.zip of MedCLIPSeg",
        downloads={f"{_FIGSHARE}/59298329": "3167e9bdfcb3b2a2502091f41c9bd3f1e2eeb64ec3ad9849680fa760e2e7633d"},
        medclipseg="BRISC",
        leaks=(
            "7 test slices are byte for byte in training: --split deduplicated. BRISC is collated from public sets, "
            "perhaps from btmri, too, which nobody has compared: results of a network of btmri on it may be too good"
        ),
        evaluate_with="btmri",
        read=brisc,
        class_of=brisc_tumor,
    ),
)
