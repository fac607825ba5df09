"""How large a mask is: in how many pieces, and in millimeters where the file says how large a pixel is."""

from __future__ import annotations

from typing import Any

import numpy as np
from monai.data import MetaTensor
from scipy import ndimage

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.outlines import box_around
from monai_vlsm.transforms.upright import is_medical

KNOWN_SPACING = "known_spacing"
"""Metadata key of DICOM images: 3 if a voxel has a known volume, 2 if a pixel has a known area, else 0."""
_MILLIMETERS = {1: 1000.0, 2: 1.0, 3: 0.001}
"""By NIfTI's codes of units; files that name none mean millimeters."""
_UNITS_OF_SPACE = 7
"""Bits of NIfTI's field of units that tell those of space."""


def measured(mask: Mask, image: MetaTensor) -> dict[str, Any]:
    """Return the columns of the table that tell the size of a mask.

    Args:
        mask: (H, W) of a picture, (W, H, D) of a medical file.
        image: (C, W, H[, D]), as it was loaded.

    Returns:
        ``pixels`` (of a volume voxels); ``mm2`` of a medical image with one slice and ``ml`` of one with several, None
        where the file does not tell; ``components``: pieces that do not touch each other, at corners neither.
    """
    pixels = int(np.count_nonzero(mask))
    area, volume = _sizes(image)
    return {
        "pixels": pixels,
        "mm2": None if area is None else round(pixels * area, 4),
        "ml": None if volume is None else round(pixels * volume / 1000, 6),
        "components": _components(mask) if pixels else 0,
    }


def _components(mask: Mask) -> int:
    return int(ndimage.label(mask[box_around(mask)], np.ones((3,) * mask.ndim))[1])


def _sizes(image: MetaTensor) -> tuple[float | None, float | None]:
    """Return the area of a pixel in square, or the volume of a voxel in cubic millimeters."""
    meta = image.meta
    known = meta.get(KNOWN_SPACING, 3)
    if not is_medical(image) or not known:
        return None, None
    unit = _MILLIMETERS.get(int(meta.get("xyzt_units", 0)) & _UNITS_OF_SPACE, 1.0)
    axes = np.asarray(meta.get("original_affine", image.affine), dtype=float)[:3, :3] * unit
    if image.shape[-1] == 1:
        return _usable(float(np.linalg.norm(np.cross(axes[:, 0], axes[:, 1])))), None
    return None, _usable(abs(float(np.linalg.det(axes)))) if known == 3 else None


def _usable(size: float) -> float | None:
    return size if np.isfinite(size) and size > 0 else None
