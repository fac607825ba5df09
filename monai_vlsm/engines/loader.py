"""A data loader that knows on what device its batches are used."""

from __future__ import annotations

import os
import shutil
from typing import Any

import torch
from monai.data import DataLoader
from torch.utils.data import Dataset

from monai_vlsm.engines.split_batches import SplitBatches

_MOST_PROCESSES = 4
_SHARED_MEMORY = "/dev/shm"
_LEAST_SHARED_MEMORY = 2**30
"""Bytes; a container has 64 MB unless it is started with more, and a process that finds no room there is killed."""


class SplitLoader(DataLoader):
    """MONAI's DataLoader with :class:`.SplitBatches`, and what makes copies to a GPU fast where there is one.

    Args:
        dataset: whose items are loaded.
        batch_size: items of a batch, over all processes that share it.
        shuffle: whether to draw the order anew every time.
        num_workers: processes that load data, beside this one; None chooses by :func:`loading_processes`. No number
            changes what is loaded.
        device: where batches go. For CUDA they are put into pinned memory, from which they are copied while the GPU
            computes.
        options: for ``monai.data.DataLoader``.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 1,
        shuffle: bool = False,
        num_workers: int | None = None,
        device: torch.device | str = "cpu",
        **options: Any,
    ) -> None:
        workers = loading_processes(device) if num_workers is None else num_workers
        super().__init__(
            dataset,
            workers,
            batch_sampler=SplitBatches(dataset, batch_size, shuffle),  # type: ignore[arg-type]
            persistent_workers=workers > 0,
            pin_memory=_is_cuda(device),
            **options,
        )

    def __iter__(self) -> Any:
        if self._iterator is not None:
            # Processes that live on need no new seed, but what is drawn after it would be something else without it.
            torch.empty((), dtype=torch.int64).random_()
        return super().__iter__()


def loading_processes(device: torch.device | str) -> int:
    """Return how many processes should load data for a device.

    None for a CPU, whose cores the network needs, and where they have no memory to share; for CUDA, one for each core
    that this process may use beside its own, at most four.
    """
    if not _is_cuda(device):
        return 0
    if os.path.isdir(_SHARED_MEMORY) and shutil.disk_usage(_SHARED_MEMORY).free < _LEAST_SHARED_MEMORY:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(_MOST_PROCESSES, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1)) - 1))


def _is_cuda(device: torch.device | str) -> bool:
    return torch.device(device).type == "cuda"
