"""The mean of a score that every output has already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.handlers import IgniteMetricHandler, from_engine
from torch import nn


class MeanScore(IgniteMetricHandler):
    """Average a score over images, and keep that of every image as MONAI's metrics do (``metric_details``).

    Undefined scores (NaN) are left out of the mean.

    Args:
        key: of the score, a tensor (1,) in every output, such as :class:`.ScoreMaskd` gives it.
    """

    def __init__(self, key: str) -> None:
        # MONAI's LossMetric gathers and averages what its function makes of a prediction.
        the_score_itself: Any = nn.Identity()
        super().__init__(loss_fn=the_score_itself, output_transform=from_engine(key))

    def update(self, output: Sequence[torch.Tensor]) -> None:
        """Take the scores of a batch."""
        super().update((output, None))
