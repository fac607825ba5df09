"""Turns at the cores: how many run, who waits, and who gives up."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import torch

from monai_vlsm.monai_label.refusals import BusyError, ClientLeft
from monai_vlsm.monai_label.turns import Cores, Turns

PATIENCE = 30
"""Seconds after which a test has failed."""


class Work:
    """Something that runs until it is told to end."""

    def __init__(self):
        self.begun, self.end = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.end.wait(PATIENCE)
        return self


async def stays():
    """A client that does not leave."""
    await asyncio.Event().wait()


async def until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_one_piece_of_work_runs_per_core_and_the_others_wait_in_order():
    async def tried():
        turns, works = Turns(2), [Work() for _ in range(4)]
        taken = []
        for work in works:
            taken.append(asyncio.ensure_future(turns.take(stays, work)))
            await asyncio.sleep(0.01)
        await until(lambda: all(work.begun.is_set() for work in works[:2]))
        assert not works[2].begun.is_set()
        works[1].end.set()
        await until(works[2].begun.is_set)
        assert not works[3].begun.is_set()
        for work in works:
            work.end.set()
        assert await asyncio.gather(*taken) == works

    asyncio.run(tried())


def test_the_server_answers_others_while_work_runs():
    async def tried():
        work = Work()
        taken = asyncio.ensure_future(Turns(1).take(stays, work))
        await until(work.begun.is_set)
        assert not taken.done()
        work.end.set()
        await taken

    asyncio.run(tried())


def test_a_full_queue_refuses_who_comes_then_and_nobody_else():
    async def tried():
        turns, works = Turns(1, longest_queue=2), [Work() for _ in range(3)]
        taken = [asyncio.ensure_future(turns.take(stays, work)) for work in works]
        await until(works[0].begun.is_set)
        with pytest.raises(BusyError, match="2 requests wait"):
            await turns.take(stays, Work())
        for work in works:
            work.end.set()
        assert await asyncio.gather(*taken) == works

    asyncio.run(tried())


def test_a_client_that_leaves_the_queue_gives_up_its_place():
    async def tried():
        turns, works, leaves = Turns(1, longest_queue=1), [Work() for _ in range(3)], asyncio.Event()
        first = asyncio.ensure_future(turns.take(stays, works[0]))
        await until(works[0].begun.is_set)
        second = asyncio.ensure_future(turns.take(leaves.wait, works[1]))
        await asyncio.sleep(0.01)
        leaves.set()
        with pytest.raises(ClientLeft):
            await second
        third = asyncio.ensure_future(turns.take(stays, works[2]))
        for work in works:
            work.end.set()
        assert await asyncio.gather(first, third) == [works[0], works[2]]
        assert not works[1].begun.is_set()

    asyncio.run(tried())


def test_the_core_of_a_client_that_leaves_is_free_when_its_work_has_ended():
    async def tried():
        turns, works, leaves = Turns(1), [Work(), Work()], asyncio.Event()
        first = asyncio.ensure_future(turns.take(leaves.wait, works[0]))
        await until(works[0].begun.is_set)
        leaves.set()
        second = asyncio.ensure_future(turns.take(stays, works[1]))
        await asyncio.sleep(0.1)
        assert not works[1].begun.is_set()
        for work in works:
            work.end.set()
        assert await asyncio.gather(first, second) == works

    asyncio.run(tried())


def test_a_failure_is_told_as_it_is_and_frees_the_core():
    async def tried():
        turns = Turns(1)
        for _ in range(3):
            with pytest.raises(KeyError, match="why"):
                await turns.take(stays, lambda: {}["why"])

    asyncio.run(tried())


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def test_threads_share_the_cores(threads):
    cores, shares = Cores(2), []

    def compute(ready, end):
        with cores.one():
            shares.append(torch.get_num_threads())
            ready.set()
            assert end.wait(PATIENCE)

    end, readies = threading.Event(), [threading.Event(), threading.Event(), threading.Event()]
    started = [threading.Thread(target=compute, args=(ready, end)) for ready in readies]
    for thread, ready in zip(started[:2], readies, strict=False):
        thread.start()
        assert ready.wait(PATIENCE)
    started[2].start()
    assert not readies[2].wait(0.1), "two cores are busy"
    end.set()
    for thread in started:
        thread.join(PATIENCE)
    assert shares[:2] == [4, 2], "alone on all of them, then on half"


def test_who_computes_when_the_others_are_done_gets_all_cores_again(threads):
    cores, shares = Cores(2), []

    def compute():
        with cores.one():
            pass

    with cores.one():
        other = threading.Thread(target=compute)
        other.start()
        other.join(PATIENCE)
    later = threading.Thread(target=lambda: shares.append(torch.get_num_threads()))
    later.start()
    later.join(PATIENCE)
    assert shares == [4]


def test_a_failure_gives_the_core_back():
    cores = Cores(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), cores.one():
            raise ZeroDivisionError
