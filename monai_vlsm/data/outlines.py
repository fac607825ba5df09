"""Masks made a pixel smaller or larger: scipy's morphology with its default structure, in a tenth of its time."""

from __future__ import annotations

import numpy as np

from monai_vlsm.data.masks import Mask


def eroded(mask: Mask, border: bool = False) -> Mask:
    """Return the pixels of ``mask`` (any axes) whose two neighbors along every axis are in it, too.

    Args:
        mask: bool.
        border: whether what lies beyond the array counts as mask.
    """
    inner = mask.copy(order="K")
    for axis in range(mask.ndim):
        result, source = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        result[1:] &= source[:-1]
        result[:-1] &= source[1:]
        if not border:
            result[:1] = result[-1:] = False
    return inner


def dilated(mask: Mask, pixels: int) -> Mask:
    """Return what can be reached from ``mask`` in so many steps along the axes."""
    outside = ~mask
    for _ in range(pixels):
        outside = eroded(outside, border=True)
    return ~outside


def box_around(mask: Mask, margin: int = 0) -> tuple[slice, ...]:
    """Return the smallest box that holds ``mask``, and so many pixels more where the array has them."""
    others = (tuple(other for other in range(mask.ndim) if other != axis) for axis in range(mask.ndim))
    filled = [np.flatnonzero(mask.any(axis=axes)) for axes in others]
    return tuple(slice(max(0, at[0] - margin), at[-1] + margin + 1) if len(at) else slice(0, 0) for at in filled)
