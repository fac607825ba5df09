"""What training images are changed by at random, chosen by one word."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from monai.transforms import (
    EnsureTyped,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    ScaleIntensityRanged,
)

from monai_vlsm.errors import DataError
from monai_vlsm.transforms.symmetry import RandSymmetryd

_PAIR = ("image", "label")
_DEGREE = math.pi / 180


class _RandGrayNoised(RandGaussianNoised):
    """MONAI's noise, the same in all channels: a gray picture stays gray, and a colored one keeps its hues."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add noise to the picture (C, S, S) under each key."""
        noise = super().__call__({key: torch.zeros_like(data[key][:1]) for key in self.key_iterator(data)})
        return {**data, **{key: data[key] + noise[key] for key in noise}}


def _geometry() -> list[Any]:
    some: dict[str, Any] = {"prob": 0.5, "rotate_range": 10 * _DEGREE, "scale_range": 0.1}
    return [RandSymmetryd(_PAIR), RandAffined(_PAIR, mode=("bilinear", "nearest"), padding_mode="zeros", **some)]


def _intensity() -> list[Any]:
    return [
        RandScaleIntensityd("image", factors=0.2, prob=0.5),
        RandAdjustContrastd("image", gamma=(0.7, 1.5), prob=0.5),
        RandGaussianSmoothd("image", sigma_x=(0.25, 1.5), sigma_y=(0.25, 1.5), prob=0.2),
        _RandGrayNoised("image", std=0.05, prob=0.2),
    ]


_DRAWN: dict[str, Callable[[], list[Any]]] = {
    "none": list,
    "intensity": _intensity,
    "geometry": _geometry,
    "all": lambda: _geometry() + _intensity(),
}
AUGMENTATIONS = tuple(_DRAWN)
"""What ``augment`` may be."""


def augmentation(augment: str) -> list[Any]:
    """Return transforms that change ``image`` (3, S, S) and ``label`` (1, S, S), which are and stay uint8, at random.

    Intensity: brightness, contrast, blur and noise. Geometry: :class:`RandSymmetryd`, whose words go along, and a
    rotation by up to ten degrees with up to a tenth of the size, which leaves things where the prompt says.

    Args:
        augment: ``"none"``, ``"intensity"``, ``"geometry"`` or ``"all"``.

    Raises:
        DataError: if it is none of them.
    """
    if augment not in _DRAWN:
        raise DataError(f"'augment' must be one of {AUGMENTATIONS}, not {augment!r}.")
    drawn = _DRAWN[augment]()
    if not drawn:
        return []
    return [
        ScaleIntensityRanged("image", a_min=0, a_max=255, b_min=0, b_max=1),
        *drawn,
        # Half a step more, because the fraction is cut off.
        ScaleIntensityRanged("image", a_min=0, a_max=1, b_min=0.5, b_max=255.5, clip=True),
        EnsureTyped(_PAIR, dtype=torch.uint8, track_meta=False),
    ]
