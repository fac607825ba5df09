"""What all cases share: the options of a run, the rows that they give, and time and memory measured."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

GIB = 2**30


class NotMeasured(Exception):
    """A case cannot be measured here; the message says why."""


class SidesDifferError(Exception):
    """The two sides give different numbers; then nothing that is measured would mean anything."""


@dataclass(frozen=True)
class Bench:
    """The options of a run.

    Args:
        device: ``"cpu"`` or ``"cuda"``.
        precisions: what our side computes in, one after the other.
        repeats: pairs of measurements.
        toy: the shipped tiny backbone and small images: whether everything works, not how fast.
        deadline: value of ``time.monotonic`` after which no further pair is measured.
        images: per training step; None is what suits the device.
        methods: that the case of this name measures; none are all that train something.
    """

    device: str = "cpu"
    precisions: tuple[str, ...] = ("float32",)
    repeats: int = 5
    toy: bool = False
    deadline: float = float("inf")
    images: int | None = None
    methods: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Bench:
        """Return what ``in_own_process`` was called with."""
        tuples: dict[str, Any] = {name: tuple(options[name]) for name in ("precisions", "methods") if name in options}
        return cls(**(options | tuples))

    @property
    def batch_size(self) -> int:
        """Images per training step."""
        return self.images or (2 if self.toy else 32 if self.device == "cuda" else 4)

    @property
    def image_size(self) -> int:
        """Height and width in pixels of what the network sees."""
        return 32 if self.toy else 352

    @property
    def steps(self) -> int:
        """Runs that are timed together: a GPU works through several before it is waited for."""
        return 10 if self.device == "cuda" else 1

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Row:
    """A number of a case.

    Args:
        what: what was measured.
        precision: of our side; empty where it makes no difference.
        unit: for example ``"CPU s"``.
        ours: median.
        baseline: median of the public way.
        ratio: median of the ratios of pairs; below 1 is better than the baseline, with seconds and bytes.
    """

    what: str
    precision: str
    unit: str
    ours: float
    baseline: float | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class Times:
    """Seconds of the runs of one side, in pairs with those of the other."""

    cpu: list[float]
    wall: list[float]


def seconds(action: Callable[[], object], bench: Bench) -> tuple[float, float]:
    """Return CPU and wall seconds of one run."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(bench.steps):
        action()
    if bench.device == "cuda":
        torch.cuda.synchronize()
    return (time.process_time() - cpu) / bench.steps, (time.perf_counter() - wall) / bench.steps


def in_turn(bench: Bench, *sides: Callable[[], object]) -> list[Times]:
    """Run the sides in turn, A B A B ..., after one round that does not count; stop early at the deadline."""
    times = [Times([], []) for _ in sides]
    for number in range(bench.repeats + 1):
        for side, action in zip(times, sides, strict=True):
            cpu, wall = seconds(action, bench)
            if number:
                side.cpu.append(cpu)
                side.wall.append(wall)
        if number and bench.seconds_left <= 0:
            break
    return times


def time_rows(bench: Bench, what: str, precision: str, ours: Times, baseline: Times) -> list[Row]:
    """Return the rows of two sides that ran in turn: wall seconds, and CPU seconds where the CPU does the work."""
    rows = []
    for unit in ("wall",) if bench.device == "cuda" else ("cpu", "wall"):
        a, b = getattr(ours, unit), getattr(baseline, unit)
        ratio = statistics.median(x / y for x, y in zip(a, b, strict=True))
        label = "CPU s" if unit == "cpu" else "wall s"
        rows.append(Row(what, precision, label, statistics.median(a), statistics.median(b), ratio))
    return rows


def peak_gib(device: str, prepare: Callable[[], Callable[[], object]]) -> dict[str, float]:
    """Return GiB held after ``prepare``, and how much more the action that it returned needs at its peak, run twice.

    On a CPU these are resident memory and its high-water mark, as Linux counts them, of this whole process.
    """
    action = prepare()
    gc.collect()
    if device == "cuda":
        built = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    else:
        built = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the mark starts anew; building may have needed more
    for _ in range(2):
        action()
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else resident_peak()
    return {"built": built / GIB, "beyond": (peak - built) / GIB}


def resident_peak() -> int:
    """Return the high-water mark of this process's resident memory in bytes."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def in_own_process(bench: Bench, task: str, **arguments: Any) -> Any:
    """Return what a task of ``__main__.TASKS`` gives in a process of its own, which has no memory but its own.

    Large blocks that are freed go back to the system at once (a setting of glibc): memory is what is in use, without
    the holes between, which depend on the order of everything before.
    """
    options = asdict(bench)
    del options["deadline"]
    command = [sys.executable, str(Path(__file__).parent), "--task", json.dumps([task, options, arguments])]
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    timeout = max(1.0, min(bench.seconds_left, 3600.0))
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=timeout, env=environment)
    except subprocess.TimeoutExpired as error:
        raise NotMeasured("the time was up") from error
    return json.loads(done.stdout.splitlines()[-1])
