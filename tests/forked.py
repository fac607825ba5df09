"""Processes that are copies of this one: what is imported here, which takes seconds, is imported there."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable

import torch

MOST_SECONDS = 300


def die(*_: object) -> None:
    """Let the process die as by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


def end_of_fork(work: Callable[[], object]) -> int | None:
    """Do ``work`` in a copy of this process, which nothing that it changes comes back from.

    Returns:
        How that ended: 0, or minus the signal that killed it.

    Raises:
        TimeoutError: if it does not end.
    """

    def run() -> None:
        # Its threads did not come along. The first to miss them makes new ones, and a second would find none meanwhile.
        torch.set_num_threads(torch.get_num_threads())
        work()

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    child.join(MOST_SECONDS)
    if child.exitcode is None:
        child.kill()
        child.join()
        raise TimeoutError(f"the copy of this process did not end in {MOST_SECONDS} seconds")
    return child.exitcode
