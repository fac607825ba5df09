"""The bottleneck of Telescopic Adapters, and what sharpens its logits."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import silu

from monai_vlsm.rules import WIDTH, require_value

LEAST_BOTTLENECK = 8
_DROPOUT = 0.1
_SCALE_AT_START = 0.1


class TelescopicAdapter(nn.Module):
    """Residual bottleneck: ``x + scale * up(dropout(silu(norm(down(x)))))``, ``scale`` learned from 0.1 on.

    Source: arXiv 2512.13855, and its released code (Ujjwal238/Telescopic_adapters@af6d0fe, infer_single.py#L56-L77).
    At the start the block is near, not at, the identity.

    Args:
        width: size D of the features of the frozen model.
        bottleneck: hidden size; at most a quarter of ``width`` and at least 8 of it are used.

    Raises:
        DataError: if ``bottleneck`` is no whole number from 1 to 65,536.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        require_value(WIDTH, bottleneck, "bottleneck")
        size = max(LEAST_BOTTLENECK, min(bottleneck, width // 4))
        self.down = nn.Linear(width, size, bias=False)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(_DROPOUT)
        self.up = nn.Linear(size, width, bias=False)
        self.scale = nn.Parameter(torch.full((1,), _SCALE_AT_START))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` of shape (..., D) to the same shape."""
        return x + self.scale * self.up(self.dropout(silu(self.norm(self.down(x)))))


class BoundaryEnhancer(nn.Module):
    """Multiply each logit by a factor between 1 and 2 that its neighborhood decides.

    No sign changes, so the mask at a probability of 0.5 is the one without it; it acts through the loss alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 1, 1, bias=False)
        )

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        """Map logits (B, 1, H, W) to the same shape."""
        return logits + torch.sigmoid(self.layers(logits)) * logits
