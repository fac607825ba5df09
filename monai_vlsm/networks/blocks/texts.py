"""What a frozen text encoder makes of prompts, computed once."""

from __future__ import annotations

from collections.abc import Callable

import torch

_MOST_KEPT = 4096
"""Prompts; the shallow method takes 8 kB for each."""


class KeptTexts:
    """Look up what was read of a prompt before; each is read alone, so that no batch it comes in changes its values.

    Copies and pickles of it are empty.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple, torch.Tensor] = {}

    def of_all(
        self, tokens: torch.Tensor, read: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], casts_to: object = None
    ) -> torch.Tensor:
        """Return what ``read`` makes of prompts.

        Args:
            tokens: ids and mask of N different prompts, (N, 2, L) int64.
            read: takes ids and mask of one, each (1, L).
            casts_to: the type in which PyTorch computes around the call, if it casts.

        Returns:
            (N, ...).
        """
        return torch.cat([self._of(row, read, casts_to) for row in tokens.split(1)])

    def forget(self) -> None:
        """Read all prompts anew."""
        self._kept = {}

    def _of(
        self, row: torch.Tensor, read: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], casts_to: object
    ) -> torch.Tensor:
        kept, key = self._kept, (casts_to, row.cpu().numpy().tobytes())
        found = kept.get(key)
        if found is None:
            with torch.inference_mode(False), torch.no_grad():
                found = read(*row.unbind(1))
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            kept[key] = found
        return found

    def __reduce__(self) -> tuple:
        return KeptTexts, ()
