"""A data set that gives the same items whoever loads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import Dataset
from monai.transforms import Compose, Randomizable
from monai.utils import MAX_SEED

from monai_vlsm.data.names import CACHE_FOLDER
from monai_vlsm.datasets.caches import open_items
from monai_vlsm.datasets.items import PairReader


def mix_seeds(*seeds: int) -> int:
    """Return one seed, below 2**32, that depends on all of ``seeds`` and on their order."""
    return int(np.random.SeedSequence(seeds).generate_state(1)[0])


class SeededCacheDataset(Dataset):
    """MONAI's Dataset, whose random transforms draw what seed and index of an item say, and nothing else.

    MONAI seeds them once per process that loads data: then the number of these processes changes the training.

    Args:
        data: list of items; entries of a datalist, where ``read`` is given.
        transform: of items, in every epoch anew; it must leave images and masks that are kept as they are.
        read: reads images and masks of an entry.
        cache: where these are kept: ``"memory"``, ``"disk"``, or ``"none"`` if they are read in every epoch.
        folder: of what is kept on the disk.
    """

    def __init__(
        self,
        data: Sequence,
        transform: Compose,
        read: PairReader | None = None,
        cache: str = "memory",
        folder: str | Path = CACHE_FOLDER,
    ) -> None:
        super().__init__(data if read is None else open_items(data, read, cache, folder), transform)
        # Each transform gets a generator of its own; before that, MONAI's share one.
        transform.set_random_state(seed=0)
        # In shared memory, because processes that load data may live longer than an epoch.
        self._seed = torch.zeros((), dtype=torch.int64).share_memory_()

    def seed_items(self, seed: int) -> None:
        """Let all items draw anew, for example once per epoch."""
        self._seed.fill_(seed)

    def _transform(self, index: int) -> Any:
        item = self.data[index]
        _seed_again(self.transform, mix_seeds(int(self._seed), index % len(self)))
        return self.transform(item)


def _seed_again(transform: Any, seed: int) -> None:
    """Do what ``set_random_state`` does, with the generators that are there: new ones cost more than all else."""
    if type(transform).set_random_state not in (Randomizable.set_random_state, Compose.set_random_state):
        transform.set_random_state(seed=seed)
        return
    transform.R.seed(seed)
    for part in transform.transforms if isinstance(transform, Compose) else ():
        if isinstance(part, Randomizable):
            _seed_again(part, int(transform.R.randint(MAX_SEED, dtype="uint32")))
