"""How strongly a network sees what a prompt names: one number per image, from the logits of its mask."""

from __future__ import annotations

import torch

_SHARE = 0.01
_MOST = 512
"""Rows and columns that are looked at: logits are interpolated from fewer, so that more would say the same again."""


def presence_score(logits: torch.Tensor) -> float:
    """Return the mean of the highest 1 % of the logits; of a volume that of the slice where it is largest.

    The whole mask follows single pixels too easily, and the mean over an image is the size of the object.

    Args:
        logits: (W, H), (1, W, H) or, with ``D`` slices, (1, W, H, D), of any type.

    Raises:
        ValueError: if there is no pixel, or more than one channel.
    """
    slices = logits.as_subclass(torch.Tensor)
    slices = slices[0] if slices.ndim == 4 else slices.reshape(*slices.shape[-2:], 1)
    steps = [max(1, size // _MOST) for size in slices.shape[:2]]
    pixels = slices[:: steps[0], :: steps[1]].reshape(-1, slices.shape[-1]).float()
    if not pixels.numel():
        raise ValueError(f"logits must have pixels, got the shape {tuple(logits.shape)}")
    highest = pixels.topk(max(1, round(_SHARE * len(pixels))), dim=0).values
    return float(highest.mean(dim=0).max())
