"""Upright pictures and masks of a case: one of an image, one per slice of a volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from nibabel.orientations import aff2axcodes
from PIL import Image

from monai_vlsm.custom_data.matching import ImageMaskPair
from monai_vlsm.data.names import is_raster
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import EnsureSameSized, LoadLabelMapd, LoadMaskd, UprightView, load_image
from monai_vlsm.transforms.upright import upright_slices

Classes = Mapping[str, tuple[int, ...]]


def read_case(case: ImageMaskPair, classes: Classes) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    """Read an image and its mask as the network sees them.

    Args:
        case: the files.
        classes: name -> values in the label map; without values, the mask is binary.

    Returns:
        Pictures (D, 1 or 3, rows, columns) float32 in [0, 1], and a mask (D, rows, columns) bool for every class.

    Raises:
        UserError: if a file is damaged, the two do not fit, or the mask holds values that are no class; it names them.
    """
    loaded: dict[Hashable, Any] = {"image": load_image(case.image), "label": str(case.mask)}
    binary = not any(classes.values())
    loaded = (LoadMaskd if binary else LoadLabelMapd)("label")(loaded)
    loaded = EnsureSameSized(("image", "label"))(loaded)
    _check_axes(case, loaded["image"], loaded["label"])
    image = loaded["image"]
    pictures = upright_slices(image, UprightView.of(image))[:, : image.shape[0]]
    values = upright_slices(loaded["label"], UprightView.of(loaded["label"]))[:, 0].numpy()
    if binary:
        _refuse_label_map(case)
        return pictures, dict.fromkeys(classes, values > 0)
    _check_values(case, values, classes)
    return pictures, {name: np.isin(values, wanted) for name, wanted in classes.items() if name}


def _check_axes(case: ImageMaskPair, image: torch.Tensor, mask: torch.Tensor) -> None:
    if is_raster(case.image) or is_raster(case.mask):
        return
    axes = ["".join(str(code) for code in aff2axcodes(np.asarray(item.affine))) for item in (image, mask)]  # type: ignore[attr-defined]
    if axes[0] != axes[1]:
        raise DataError(
            f"the axes of {str(case.image)!r} run to {axes[0]}, those of its mask {str(case.mask)!r} to {axes[1]}: "
            "resample the mask to the image, or give it the image's affine if only the header is wrong."
        )


def _refuse_label_map(case: ImageMaskPair) -> None:
    """Refuse a mask of several values, which would all be taken as the one class."""
    if is_raster(case.mask):
        with Image.open(case.mask) as mask:
            if mask.mode != "P":
                return
    values = np.unique(LoadLabelMapd("label")({"label": str(case.mask)})["label"].numpy())
    found = [f"{value:g}" for value in values if value]
    if len(found) > 1:
        raise DataError(
            f"the mask {str(case.mask)!r} holds the values {', '.join(found[:10])}, expected is one class: name them "
            f"all in place of --class-name, as in --classes {found[0]}=NAME,{found[1]}=NAME "
            "(one name for both joins them)."
        )


def _check_values(case: ImageMaskPair, values: np.ndarray, classes: Classes) -> None:
    known = {0, *(value for wanted in classes.values() for value in wanted)}
    unknown = [f"{value:g}" for value in np.unique(values) if value not in known]
    if unknown:
        raise DataError(
            f"the mask {str(case.mask)!r} holds {'value' if len(unknown) == 1 else 'values'} {', '.join(unknown[:10])}"
            f"{' ...' if len(unknown) > 10 else ''}, which --classes does not name. "
            f"Add {unknown[0]}=NAME, or {unknown[0]}= to leave it out."
        )
