"""Read an image and its mask as upright pictures: one of an image, one per slice of a volume."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nibabel.orientations import aff2axcodes
from numpy.typing import NDArray

from monai_vlsm.custom_data.matching import ImageMaskPair
from monai_vlsm.data.masks import Mask, foreground, kind_of_mask
from monai_vlsm.data.names import is_raster
from monai_vlsm.data.pictures import open_picture
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import EnsureSameSized, LoadLabelMapd, UprightView, load_image
from monai_vlsm.transforms.upright import upright_slices

Classes = Mapping[str, tuple[int, ...]]

_SHOWN = 10
_ROUNDING = 1e-3
"""Largest difference to a whole number that comes from the scaling in a NIfTI header, and not from the mask."""


def read_pair(pair: ImageMaskPair, classes: Classes) -> tuple[torch.Tensor, dict[str, Mask]]:
    """Read an image and its mask as the network sees them.

    Args:
        pair: the files.
        classes: name -> values in the label map; without values, the mask is binary.

    Returns:
        Pictures (D, 1 or 3, rows, columns) float32 in [0, 1], and a mask (D, rows, columns) bool for every class.

    Raises:
        UserError: if a file is damaged, the two do not fit, or the mask holds values that are no class; it names them.
    """
    binary = not any(classes.values())
    files: dict[Hashable, Any] = {"image": load_image(pair.image), "label": str(pair.mask)}
    loaded = EnsureSameSized(("image", "label"))(LoadLabelMapd("label", any_color=binary)(files))
    image, mask = loaded["image"], loaded["label"]
    _check_axes(pair, image, mask)
    pictures = upright_slices(image, UprightView.of(image))[:, : image.shape[0]]
    values = _without_rounding(upright_slices(mask, UprightView.of(mask))[:, 0].numpy())
    if binary:
        return pictures, dict.fromkeys(classes, _binary_mask(pair.mask, values))
    _check_values(pair.mask, values, classes)
    return pictures, {name: np.isin(values, wanted) for name, wanted in classes.items() if name}


def _check_axes(pair: ImageMaskPair, image: torch.Tensor, mask: torch.Tensor) -> None:
    """Refuse a mask that would not lie on its image when both are turned upright."""
    if is_raster(pair.image):
        return
    if is_raster(pair.mask):
        if UprightView.of(image) != UprightView():
            raise DataError(
                f"{str(pair.image)!r} is shown turned or mirrored to what is stored, as its header says, and nothing "
                f"tells how its mask {str(pair.mask)!r} lies on it: save the mask as NIfTI with the image's affine."
            )
        return
    axes = ["".join(str(code) for code in aff2axcodes(np.asarray(item.affine))) for item in (image, mask)]  # type: ignore[attr-defined]
    if axes[0] != axes[1]:
        raise DataError(
            f"the axes of {str(pair.image)!r} run to {axes[0]}, those of its mask {str(pair.mask)!r} to {axes[1]}: "
            "resample the mask to the image, or give it the image's affine if only the header is wrong."
        )


def _without_rounding(values: NDArray[np.float32]) -> NDArray[np.float32]:
    whole = values.round()
    return np.where(np.abs(values - whole) <= _ROUNDING, whole, values)


def _binary_mask(path: Path, values: NDArray[np.float32]) -> Mask:
    """Return where a mask shows its class; a label map is refused, as its classes would be taken as one."""
    _refuse_odd_values(path, values[values < 0])
    indexed, lossy = _how_stored(path)
    above_zero = indexed or not is_raster(path)
    try:
        mask = foreground(values, above_zero=above_zero, lossy=lossy)
    except DataError as error:
        raise DataError(f"the mask {str(path)!r} cannot be read: {error}.") from None
    if mask.any() and kind_of_mask(values, above_zero=above_zero) == "label map":
        _refuse_odd_values(path, values[values != values.round()])
        found = _listed(values[values > 0])
        raise DataError(
            f"the mask {str(path)!r} holds the values {', '.join(found)}, expected is one class: name them "
            f"all in place of --class-name, as in --classes {found[0]}=NAME,{found[1]}=NAME "
            "(one name for both joins them)."
        )
    return mask


def _how_stored(path: Path) -> tuple[bool, bool]:
    """Tell whether a mask holds indices of colors, and whether it was compressed as JPEG."""
    if not is_raster(path):
        return False, False
    with open_picture(path) as picture:
        return picture.mode == "P", picture.format in ("JPEG", "MPO")


def _check_values(path: Path, values: NDArray[np.float32], classes: Classes) -> None:
    _refuse_odd_values(path, values[(values < 0) | (values != values.round())])
    known = [0, *(value for wanted in classes.values() for value in wanted)]
    unknown = _listed(values[~np.isin(values, known)])
    if unknown:
        raise DataError(
            f"the mask {str(path)!r} holds {'value' if len(unknown) == 1 else 'values'} {', '.join(unknown)}, which "
            f"--classes does not name. Add {unknown[0]}=NAME, or {unknown[0]}= to leave it out."
        )


def _refuse_odd_values(path: Path, odd: NDArray[np.float32]) -> None:
    if odd.size:
        raise DataError(
            f"the mask {str(path)!r} holds the values {', '.join(_listed(odd))}, expected are whole numbers from 0 on: "
            "cut probabilities at a threshold first, and resample masks to the nearest value."
        )


def _listed(values: NDArray[np.float32]) -> list[str]:
    found = [f"{value:.7g}" for value in np.unique(values)]
    return [*found[:_SHOWN], "..."] if len(found) > _SHOWN else found
