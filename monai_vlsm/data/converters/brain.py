"""Brain tumours: the MATLAB files of Jun Cheng's data set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.data.raw import Case, Mask, RawFiles, optional_module
from monai_vlsm.errors import DataError

TUMORS = {1: "meningioma", 2: "glioma", 3: "pituitary tumor"}


def tumor_in(text: str) -> str:
    """Return the kind of tumour that a sentence names; empty if it names none."""
    return next((tumor for tumor in TUMORS.values() if tumor.split()[0] in text.lower()), "")


def brisc_tumor(stem: str) -> str:
    """Return the kind of tumour in the name of an image of BRISC, such as brisc2025_train_01958_me_co_t1."""
    codes = {"me": "meningioma", "gl": "glioma", "pi": "pituitary tumor"}
    return next((codes[part] for part in stem.split("_") if part in codes), "")


def brain_tumors(files: RawFiles) -> list[Case]:
    """Read N.mat (version 7.3): a slice, its mask, the kind of its tumour and the patient."""
    numbered = [path for path, _ in files.matching(r"\d+\.mat")]
    return [
        Case(
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
