"""A cached data set that gives the same items whoever loads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset


def mix_seeds(*seeds: int) -> int:
    """Return one seed, below 2**32, that depends on all of ``seeds`` and on their order."""
    return int(np.random.SeedSequence(seeds).generate_state(1)[0])


class SeededCacheDataset(CacheDataset):
    """MONAI's CacheDataset, whose random transforms draw what seed and index of an item say, and nothing else.

    MONAI seeds them once per process that loads data: then the number of these processes changes the training.

    Args:
        data: list of items.
        transform: the transforms before the first random one are cached.
        options: for ``monai.data.CacheDataset``.
    """

    def __init__(self, data: Sequence, transform: Any = None, **options: Any) -> None:
        super().__init__(data, transform, **options)
        # In shared memory, because processes that load data may live longer than an epoch.
        self._seed = torch.zeros((), dtype=torch.int64).share_memory_()

    def seed_items(self, seed: int) -> None:
        """Let all items draw anew, for example once per epoch."""
        self._seed.fill_(seed)

    def _transform(self, index: int) -> Any:
        self.transform.set_random_state(seed=mix_seeds(int(self._seed), index % len(self)))
        return super()._transform(index)
