"""Turns: one heavy request per core at a time, a queue of those that wait, and a server that answers meanwhile."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import Any, TypeVar

import torch
from anyio import CapacityLimiter, create_task_group, to_thread

from monai_vlsm.monai_label.refusals import BusyError, ClientLeft

LONGEST_QUEUE = 32
"""Requests that may wait for a core; those that come then are told to come again."""

Result = TypeVar("Result")


class Cores:
    """Lets as many threads compute as there are cores, whoever started them, each on its share of the cores.

    Args:
        at_once: how many; 0 stands for the number of cores that this process may use.
    """

    def __init__(self, at_once: int = 0) -> None:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.at_once = at_once if at_once > 0 else usable
        self._free = BoundedSemaphore(self.at_once)
        self._lock = Lock()
        self._busy = 0
        self._threads = torch.get_num_threads()

    @property
    def is_busy(self) -> bool:
        """Whether something computes."""
        return self._busy > 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a core; a thread that computes alone gets all of them.

        A thread that computes keeps its share to the end: PyTorch sets that of the thread which asks, and of new ones.
        """
        with self._free:
            self._count(1)
            try:
                yield
            finally:
                self._count(-1)

    def _count(self, begun: int) -> None:
        with self._lock:
            self._busy += begun
            torch.set_num_threads(max(1, self._threads // max(1, self._busy)))


class Turns:
    """Runs work in threads, so many at a time as there are cores, in the order in which it came.

    A client that leaves the queue gives up its place. Work that has begun goes on to its end, because a thread cannot
    be stopped, and its core is free only then.

    Args:
        at_once: how many run.
        longest_queue: how many wait.
    """

    def __init__(self, at_once: int, longest_queue: int = LONGEST_QUEUE) -> None:
        self._limiter = CapacityLimiter(at_once)
        self._longest_queue = longest_queue

    async def take(self, left: Callable[[], Awaitable[Any]], work: Callable[[], Result]) -> Result:
        """Wait for a turn, run ``work`` in a thread, and return what it returns.

        Args:
            left: ends when the client has left.
            work: what is heavy.

        Raises:
            BusyError: if the queue is full.
            ClientLeft: if the client left before the work was begun.
        """
        if self._limiter.statistics().tasks_waiting >= self._longest_queue:
            raise BusyError(f"{self._longest_queue} requests wait for a core already: send this one again later.")
        results: list[Result] = []
        failure: Exception | None = None
        async with create_task_group() as group:

            async def give_up_when_left() -> None:
                await left()
                group.cancel_scope.cancel()

            group.start_soon(give_up_when_left)
            try:
                results.append(await to_thread.run_sync(work, limiter=self._limiter))
            except Exception as error:  # a task group would wrap it
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if not results:
            raise ClientLeft
        return results[0]
