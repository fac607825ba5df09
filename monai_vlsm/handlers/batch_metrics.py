"""Metrics of whole batches: MONAI's look at one image after the other, and make a GPU wait for each."""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics import DiceMetric, LossMetric

from monai_vlsm.transforms.network_input import images_at_a_time


class BatchDiceMetric(DiceMetric):
    """MONAI's ``DiceMetric(ignore_empty=False)`` of binary masks: two empty ones have the Dice 1, one empty one 0.

    The values of all batches and processes are gathered as MONAI does it.
    """

    def __init__(self) -> None:
        super().__init__(ignore_empty=False)

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return the Dice (B, C) of masks (B, C, ...) of 0 and 1."""
        size = images_at_a_time(y_pred)
        parts = zip(y_pred.flatten(2).split(size), y.flatten(2).split(size), strict=True)
        # Sums of float32 count exactly up to 2**24 pixels.
        sums = [torch.stack([(a * b).sum(dim=-1), a.sum(dim=-1) + b.sum(dim=-1)]) for a, b in parts]
        overlap, both = torch.cat(sums, dim=1)
        return torch.where(both > 0, 2 * overlap / both, 1.0)


class BatchLossMetric(LossMetric):
    """MONAI's ``LossMetric`` of a loss that is the mean of its images: batches count as often as they have images.

    Args:
        loss_fn: the loss; of predictions (B, C, ...) and labels it gives one number.
    """

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        """Return the loss of the batch for each of its images: (B, 1)."""
        return self.loss_fn(y_pred, y).reshape(1, 1).expand(len(y_pred), 1)
