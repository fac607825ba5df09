"""Loaders suit the device, and no number of processes changes what they load."""

from __future__ import annotations

import os
from collections import namedtuple

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose

from monai_vlsm.datasets import SeededCacheDataset
from monai_vlsm.engines import SplitLoader, loading_processes


@pytest.fixture
def machine(monkeypatch):
    """Pretend to have some cores and some shared memory."""

    def pretend(cores: int, shared_memory: int = 2**33, processes: int | None = None) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
        free = namedtuple("Usage", "free")(shared_memory)
        monkeypatch.setattr("monai_vlsm.engines.loader.shutil.disk_usage", lambda _: free)
        if processes is not None:
            monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))

    return pretend


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "mps"])
def test_no_processes_load_for_other_devices_than_cuda(machine, device):
    machine(cores=64)
    assert loading_processes(device) == 0


@pytest.mark.parametrize(("cores", "expected"), [(1, 0), (2, 1), (4, 3), (5, 4), (64, 4)])
def test_cuda_gets_a_process_per_core_but_one_and_at_most_four(machine, cores, expected):
    machine(cores)
    assert loading_processes("cuda") == expected


def test_processes_of_one_machine_share_its_cores(machine):
    machine(cores=8, processes=4)
    assert loading_processes(torch.device("cuda", 3)) == 1


def test_without_shared_memory_no_processes_load(machine):
    """Docker gives 64 MB, and PyTorch's workers are killed with 'bus error' where a batch does not fit."""
    machine(cores=64, shared_memory=2**26)
    assert loading_processes("cuda") == 0


@pytest.mark.parametrize(("given", "expected"), [(None, 0), (0, 0), (2, 2)])
def test_a_number_that_is_given_is_taken(given, expected):
    assert SplitLoader(range(4), num_workers=given).num_workers == expected


@pytest.mark.parametrize(("device", "expected"), [("cpu", False), ("cuda", True), ("cuda:1", True), ("mps", False)])
def test_memory_is_pinned_for_cuda_only(device, expected):
    assert SplitLoader(range(4), num_workers=0, device=device).pin_memory is expected


@pytest.mark.parametrize("num_workers", [None, 1, 2])
def test_epochs_are_those_of_monais_loader(num_workers):
    def epochs(loader_of):
        data = SeededCacheDataset(list(range(7)), Compose())
        torch.manual_seed(5)
        loader = loader_of(data)
        return [torch.cat(list(loader)).tolist() for _ in range(2)]

    expected = epochs(lambda data: DataLoader(data, batch_size=2, shuffle=True))
    assert epochs(lambda data: SplitLoader(data, 2, shuffle=True, num_workers=num_workers)) == expected
    assert expected[0] != expected[1]
