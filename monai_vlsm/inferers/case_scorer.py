"""How sure a network is of a case: by the masks of several wordings, and by the probabilities of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch


class CaseScorer:
    """Add up what the masks of a case tell, part by part, at the size that the network sees.

    Args:
        limit: logit from which a pixel belongs to a mask.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._shared: list[torch.Tensor] = []
        self._sums: list[torch.Tensor] = []
        self._largest: list[torch.Tensor] = []

    def add(self, logits: Sequence[torch.Tensor]) -> None:
        """Count further slices.

        Args:
            logits: (n, 1, h, w) of each wording, the prompt itself first.
        """
        for wordings in zip(*logits, strict=True):
            masks = torch.stack([(slice_ >= self._limit).flatten() for slice_ in wordings]).float()
            # Counts of at most 2048 x 2048, which float32 holds exactly.
            self._shared.append((masks @ masks.T).double())
            probability = wordings[0].flatten().sigmoid()
            self._sums.append((probability @ masks[0]).double())
            self._largest.append(probability.max())

    def agreement(self) -> float:
        """Return the mean Dice over all pairs of wordings, where two empty masks count 1; NaN of less than two."""
        shared = self._counts()
        sizes = shared.diagonal()
        total = sizes[:, None] + sizes
        dice = torch.where(total > 0, 2 * shared / total.clamp(min=1), 1.0)
        return float(dice[tuple(torch.triu_indices(len(dice), len(dice), offset=1))].mean())

    def mean_probability(self) -> float:
        """Return that of the pixels in the mask; of an empty one, 1 less the largest probability of any pixel."""
        pixels = float(self._counts()[0, 0])
        return float(torch.stack(self._sums).sum()) / pixels if pixels else 1 - float(torch.stack(self._largest).max())

    def _counts(self) -> torch.Tensor:
        """Return the pixels that the masks of each pair of wordings share, of all slices."""
        return torch.stack(self._shared).sum(0).cpu()
