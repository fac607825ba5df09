"""Batches that several processes share as if there were one process."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from itertools import islice

import ignite.distributed as idist
from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler

from monai_vlsm.errors import DataError


class SplitBatches(BatchSampler):
    """The share that this process has of every batch; together, the shares are the batches of a single process.

    MONAI's DistributedSampler repeats or drops images where the processes cannot share them evenly. Here, some process
    has an image less than others in the last batch. Every process must have one in every step: a last batch with fewer
    images than processes joins the one before. All processes draw the same order if PyTorch's generator has the same
    seed in all of them, as :class:`.TrainingState` makes sure.

    Args:
        dataset: whose items are shared.
        batch_size: items of a batch, over all processes.
        shuffle: whether to draw the order anew every time.

    Raises:
        DataError: if there are fewer items than processes, or the processes cannot share a batch evenly.
    """

    def __init__(self, dataset: Sized, batch_size: int, shuffle: bool = False) -> None:
        super().__init__(RandomSampler(dataset) if shuffle else SequentialSampler(dataset), batch_size, drop_last=False)
        self.rank = idist.get_rank()
        self.processes = idist.get_world_size()
        _require_shares(len(dataset), batch_size, self.processes)
        self.sizes = _sizes(len(dataset), batch_size, self.processes)
        """Items of each batch, over all processes."""

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        for size in self.sizes:
            yield list(islice(indices, size))[self.rank :: self.processes]


def _sizes(items: int, batch_size: int, processes: int) -> list[int]:
    whole, rest = divmod(items, batch_size)
    sizes = [batch_size] * whole + [rest] * bool(rest)
    if rest and rest < processes:
        sizes[-2:] = [batch_size + rest]
    return sizes


def _require_shares(items: int, batch_size: int, processes: int) -> None:
    excess = batch_size % processes
    if excess:
        nearest = [number for number in (batch_size - excess, batch_size - excess + processes) if number]
        raise DataError(
            f"batch_size is the number of images in a step of all processes together: {processes} processes cannot "
            f"share {batch_size} evenly. Give {' or '.join(map(str, nearest))}, or start another number of processes."
        )
    if items < processes:
        raise DataError(f"{processes} processes cannot share {items} images. Start at most {items} processes.")
