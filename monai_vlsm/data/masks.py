"""When a value is foreground: the one rule that every reader of masks follows."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.errors import DataError

Mask = NDArray[np.bool_]
MaskKind = Literal["binary", "label map", "soft"]

JPEG_NOISE = 32
"""Brightest value that JPEG leaves in a mask of 0 and 255 without an object."""
_FEW_VALUES = 20
"""A soft edge has more values than this, a label map has fewer classes."""
_BETWEEN = 0.2
"""Fraction of the pixels above 0 that soft edges have in the middle half of the range at most."""


def foreground(values: NDArray[Any], *, above_zero: bool = False, lossy: bool = False) -> Mask:
    """Return where a mask shows its object.

    Masks hold 0 and 1, 0 and 255, or 0 and 65535, and foreground is what lies above half of this range. So soft edges
    are cut in the middle. A mask whose brightest value is below half of the range is refused, because thresholding
    would empty it: it is a label map, or damaged.

    Args:
        values: (H, W) or more axes, of any number type.
        above_zero: everything above 0 is foreground, as in medical files and for the indices of indexed colors.
        lossy: the values come from a JPEG, where up to ``JPEG_NOISE`` is noise of an empty mask.

    Raises:
        DataError: if the mask has no pixel, values below 0, or too dark ones.
    """
    values = np.asarray(values)
    if values.dtype == bool:
        return values
    if not values.size:
        raise DataError(f"it has no pixel (shape {values.shape}), expected is a mask")
    if above_zero:
        return values > 0
    if not values.min() >= 0:  # also of NaN
        raise DataError(f"its lowest value is {values.min():g}, expected is a mask of 0 and 1, or of 0 and 255")
    full_range, brightest = _full_range(values), values.max()
    if (JPEG_NOISE if lossy and brightest > 1 else 0) < brightest <= full_range / 2:
        raise DataError(
            f"its brightest value is {brightest:g}, expected is a mask of 0 and 1, or of 0 and {full_range}: "
            "choose one class of a label map first, as in 'labels == 2'"
        )
    return values > full_range / 2


def kind_of_mask(values: NDArray[Any], *, above_zero: bool = False) -> MaskKind:
    """Tell masks of two values from label maps of several classes and from masks with soft edges.

    Args:
        values: as they are in the file.
        above_zero: as in :func:`foreground`.
    """
    found, counts = np.unique(values[values > 0], return_counts=True)
    if len(found) < 2:
        return "binary"
    full_range = _full_range(values)
    between = counts[(found > full_range / 4) & (found < 3 * full_range / 4)].sum() / counts.sum()
    few_and_apart = len(found) <= _FEW_VALUES and between > _BETWEEN
    return "label map" if above_zero or few_and_apart or found[-1] <= full_range / 2 else "soft"


def dice_of(mask: Mask, other: Mask) -> float:
    """Return the Dice of two masks of one shape; of two empty ones 1."""
    total = int(mask.sum()) + int(other.sum())
    return 2 * int((mask & other).sum()) / total if total else 1.0


def _full_range(values: NDArray[Any]) -> int:
    brightest = values.max()
    return 1 if brightest <= 1 else 255 if brightest <= 255 else 65535
