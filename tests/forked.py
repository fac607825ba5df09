"""Processes that are copies of this one: what is imported here, which takes seconds, is imported there."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from pathlib import Path

import torch


def die(*_: object) -> None:
    """Let the process die as by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


def start_fork(work: Callable[[], object], output: Path | None = None) -> ForkProcess:
    """Start ``work`` in a copy of this process, which nothing that it changes comes back from.

    Args:
        work: what is done there.
        output: a file for what is printed; None lets it be printed here.
    """

    def run() -> None:
        # Its threads did not come along. The first to miss them makes new ones, and a second would find none meanwhile.
        torch.set_num_threads(torch.get_num_threads())
        if output is not None:
            sys.stdout = sys.stderr = output.open("w", buffering=1, encoding="utf-8")
        work()

    child = multiprocessing.get_context("fork").Process(target=run)
    child.start()
    return child


def end_of_fork(work: Callable[[], object]) -> int | None:
    """Do ``work`` in a copy of this process, and return how that ended: 0, or minus the signal that killed it."""
    child = start_fork(work)
    child.join()
    return child.exitcode
