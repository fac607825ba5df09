"""Shares of processes are, together, the batches of a single one."""

from __future__ import annotations

from itertools import chain

import pytest
import torch
from torch.utils.data import BatchSampler, RandomSampler

from monai_vlsm.engines import SplitBatches
from monai_vlsm.errors import DataError


@pytest.fixture
def shares(monkeypatch):
    """Return what each of some processes gets, batch by batch."""

    def draw(images: int, batch_size: int, processes: int, shuffle: bool = False) -> list[list[list[int]]]:
        found = []
        for rank in range(processes):
            monkeypatch.setattr("ignite.distributed.get_world_size", lambda: processes)
            monkeypatch.setattr("ignite.distributed.get_rank", lambda rank=rank: rank)
            torch.manual_seed(3)
            batches = SplitBatches(range(images), batch_size, shuffle)
            found.append(list(batches))
            assert len(batches) == len(found[-1])
            assert [len(share) for share in found[-1]] == [
                len(range(rank, size, processes)) for size in batches.sizes
            ], "the sizes say how many images others have"
        return found

    return draw


CASES = [(7, 4, 2), (8, 4, 2), (5, 4, 2), (2, 2, 2), (33, 8, 8), (39, 8, 8), (3, 12, 3), (4, 6, 3)]


@pytest.mark.parametrize(("images", "batch_size", "processes"), CASES)
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_image_is_in_one_share(shares, images, batch_size, processes, shuffle):
    drawn = chain.from_iterable(chain.from_iterable(shares(images, batch_size, processes, shuffle)))
    assert sorted(drawn) == list(range(images))


@pytest.mark.parametrize(("images", "batch_size", "processes"), CASES)
def test_every_process_has_an_image_in_every_step(shares, images, batch_size, processes):
    found = shares(images, batch_size, processes)
    assert len({len(share) for share in found}) == 1
    assert all(len(batch) > 0 for share in found for batch in share)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_shares_of_a_batch_are_that_of_a_single_process(shares, processes):
    torch.manual_seed(3)
    alone = [set(batch) for batch in BatchSampler(RandomSampler(range(22)), 8, drop_last=False)]
    together = zip(*shares(22, 8, processes, shuffle=True), strict=True)
    assert [set(chain.from_iterable(batch)) for batch in together] == alone


def test_a_last_batch_of_fewer_images_than_processes_joins_the_one_before(shares):
    assert [len(batch) for batch in shares(9, 4, 2)[0]] == [2, 3]
    assert [len(batch) for batch in shares(9, 4, 2)[1]] == [2, 2]


@pytest.mark.parametrize(
    ("batch_size", "processes", "nearest"), [(32, 3, "30 or 33"), (4, 8, "8"), (1, 2, "2"), (33, 2, "32 or 34")]
)
def test_a_batch_that_cannot_be_shared_evenly_is_refused_with_the_nearest_that_can(
    shares, batch_size, processes, nearest
):
    with pytest.raises(DataError, match=rf"cannot share {batch_size} evenly\. Give {nearest}, or"):
        shares(100, batch_size, processes)


def test_fewer_images_than_processes_are_refused(shares):
    with pytest.raises(DataError, match=r"4 processes cannot share 3 images\. Start at most 3"):
        shares(3, 8, 4)
