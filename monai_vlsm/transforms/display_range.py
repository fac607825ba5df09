"""Which values of an image are black and which are white."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from monai_vlsm.errors import DataError
from monai_vlsm.transforms.each import EachKeyd

CHANNEL_AXIS = "original_channel_dim"
"""MONAI's metadata key; 0 in images whose channels come first already."""

_SAMPLES = 1_000_000
_VALUES_AT_A_TIME = 2**22


def to_display_range(values: torch.Tensor) -> torch.Tensor:
    """Return 8-bit values as uint8, and all others as float32 in [0, 1].

    Whole numbers within 0..255 are taken as 8-bit gray values. Anything else has no defined range for display and is
    stretched between its percentiles 0.5 and 99.5 (over the whole volume, so that its slices stay comparable).

    Args:
        values: (C, W, H[, D]) numbers of any type; they stay as they are.
    """
    if values.dtype == torch.uint8:
        return values
    parts = _parts(values)
    if all(_is_8_bit(part) for part in parts):
        return values.to(torch.uint8)
    low, high = _percentiles(values)
    result = torch.empty_like(values, dtype=torch.float32)
    for part, stretched in zip(parts, _parts(result), strict=True):
        stretched.copy_(part).sub_(low).div_((high - low).clamp_min(1e-8)).clamp_(0, 1)
    return result


def as_unit(values: torch.Tensor) -> torch.Tensor:
    """Return what ``to_display_range`` gave as float32 in [0, 1]: uint8 divided by 255, floats as they are."""
    return values.float().div_(255) if values.dtype == torch.uint8 else values


def is_finite(values: torch.Tensor) -> bool:
    """Tell whether no value is NaN or infinite."""
    return not values.is_floating_point() or all(bool(torch.isfinite(part).all()) for part in _parts(values))


def _parts(values: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Cut a large tensor along its last axis, so that what is made of a part is small."""
    length = values.shape[-1]
    return values.split(max(1, _VALUES_AT_A_TIME * length // values.numel()), dim=-1)


def _is_8_bit(values: torch.Tensor) -> bool:
    low, high = (bound.item() for bound in values.aminmax())
    if low < 0 or high > 255:
        return False
    return not values.is_floating_point() or torch.equal(values, values.round())


def _percentiles(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return percentiles 0.5 and 99.5 of every n-th value, so that about a million are sorted."""
    every = torch.arange(0, values.numel(), max(1, values.numel() // _SAMPLES), device=values.device)
    sample = values[torch.unravel_index(every, values.shape)].float()
    low, high = torch.quantile(sample, torch.tensor([0.005, 0.995], device=values.device))
    return low, high


class ToDisplayRanged(EachKeyd):
    """Turn an image with the values of its file, or one from memory, into what is shown and segmented.

    Deployment frameworks such as MONAI Deploy take the loader (``LoadImage...``) out of a bundle and put an image from
    memory in its place, so everything after reading happens here. A channel axis is added or moved to the front where
    the metadata says so (``original_channel_dim``), and the metadata of MONAI Deploy's own loaders are understood.

    Sets each key to a MetaTensor (C, W, H) or (C, W, H, D), C being 1 or 3: uint8 where the values are whole numbers
    within 0..255, else float32 in [0, 1], see ``to_display_range``.

    Args:
        keys: of the images: tensors, MetaTensors or NumPy arrays of numbers.

    Raises:
        DataError: if an image has another shape, or values that are not finite.
    """

    def convert(self, value: Any) -> MetaTensor:
        """Return an image as it is shown."""
        image = _as_stored(value)
        return with_metadata(to_display_range(image.as_tensor()), image.meta)


def with_metadata(values: torch.Tensor, meta: dict[str, Any]) -> MetaTensor:
    """Return a MetaTensor with nothing but ``meta``: MetaTensor's constructor also claims the space RAS."""
    image = MetaTensor(values)
    affine = meta.get("affine", image.affine)
    image.meta = meta
    image.affine = torch.as_tensor(affine, dtype=torch.float64)
    return image


def _as_stored(image: Any) -> MetaTensor:
    """Return an image as our loader gives it, whoever loaded it."""
    image = image if isinstance(image, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(image))
    meta = dict(getattr(image, "meta", {}))
    values = image.as_tensor() if isinstance(image, MetaTensor) else image
    values = _channel_first(values, meta)
    if "source_format" in meta:
        # MONAI Deploy's ImageDirectoryLoader: (3, H, W), and its answers must have a third axis.
        values = values.transpose(1, 2)[..., None]
        del meta["source_format"]
    if "nifti_affine_transform" in meta:
        # MONAI Deploy says LPS, but gives the affine of NIfTI.
        meta["space"] = "RAS"
    check_values(values)
    meta |= {CHANNEL_AXIS: 0, "spatial_shape": np.array(values.shape[1:])}
    return with_metadata(values[:3], meta)


def _channel_first(values: torch.Tensor, meta: Mapping[str, Any]) -> torch.Tensor:
    axis = meta.get(CHANNEL_AXIS, 0)
    without = axis == "no_channel" or isnan(float(axis))
    if without and values.shape[-1] in (3, 4):
        # MONAI Deploy says "no channel" of colors, too. Its medical images are in a space, and may have three slices.
        if values.ndim == 4:
            return values.movedim(-1, 0)
        if not meta.get("space"):
            return values.movedim(-1, 0)[..., None]
    return values[None] if without else values.movedim(int(axis), 0)


def check_values(values: torch.Tensor, what: str = "the image") -> None:
    """Refuse images (C, W, H[, D]) of another shape, without pixels, or with values that are not finite."""
    if values.ndim not in (3, 4) or values.shape[0] not in (1, 3, 4) or not values.numel():
        raise DataError(
            f"{what} has the shape {tuple(values.shape)} (channels first): expected are 1 gray or 3 color channels "
            "and 2 or 3 spatial axes with at least a pixel each."
        )
    if values.is_complex():
        raise DataError(f"{what} holds complex numbers, which cannot be shown: save their magnitude.")
    if not is_finite(values):
        raise DataError(f"{what} holds values that are not finite (NaN or infinity).")
