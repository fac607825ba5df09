"""Ray, for whatever has many independent parts: connect with a cluster or begin one here, and deal out tasks."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

from filelock import FileLock

from monai_vlsm.errors import DataError, find_message, with_causes

STORE = 200 << 20
"""Bytes of Ray's store on this machine; what is to be done goes through it, and no images."""
NICENESS = "RAY_worker_niceness", "0"
"""Variable for what begins here: of itself Ray takes 15, with which workers hardly get on beside other work."""
_VARIABLES = ("MONAI_VLSM_", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME")
"""Beginnings of the environment variables that workers take over."""
_PRIVATE = "monai_vlsm_ray_"
"""Beginning of the names of folders that Ray writes into."""
_TOKEN = 32
"""Bytes, at random, without which nobody else on this machine can send work to what is begun here."""
_CORES_OF_A_TASK = 4
"""Where nobody says how many tasks run at once, and there is no GPU."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Surroundings:
    """What a worker takes over from the process that was started.

    Args:
        folder: working directory, from which files may be named.
        variables: of the environment.
        version: of this package.
    """

    folder: str
    variables: Mapping[str, str]
    version: str

    @classmethod
    def here(cls) -> Surroundings:
        """Return those of this process."""
        variables = {name: value for name, value in os.environ.items() if name.startswith(_VARIABLES)}
        return cls(os.getcwd(), variables, version("monai_vlsm"))

    def enter(self) -> None:
        """Take them over.

        Raises:
            DataError: if this process has another version of this package.
        """
        os.environ.update(self.variables)
        with suppress(OSError):  # this machine may not have that folder
            os.chdir(self.folder)
        if version("monai_vlsm") != self.version:
            raise DataError(f"monai_vlsm is {version('monai_vlsm')} here, {self.version} where it was started.")


@dataclass(frozen=True)
class Pool:
    """Workers, and what each of them takes of a cluster; workers may share a GPU."""

    size: int
    cores: int
    gpus: float


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Connect with a cluster, or begin one that ends with this run; one that this process has is used as it is.

    What begins here listens on this machine alone, and keeps its own records in a folder that only this user can read
    and that goes at the end.

    Args:
        address: of a Ray cluster that is there, ``HOST:PORT`` or ``auto``; None begins one here.

    Raises:
        DataError: if Ray is not installed, there is no such cluster, or the connection with it is lost.
    """
    # Ray reads these when it is imported; it sends statistics to its makers unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault(*NICENESS)
    if address is None:  # its name speaks of other systems; on all of them Ray keeps to the loopback without it
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with _token() if address is None else nullcontext():
        try:
            import ray
        except ImportError as error:
            raise DataError(f'Ray is not installed here ({error}): pip install "monai_vlsm[ray]".') from error

        with _connected(address) if not ray.is_initialized() else nullcontext():
            try:
                yield
            except ray.exceptions.RayError as error:
                raise DataError(f"Ray cannot go on, what is finished stays so: {error}") from error


def share(gpus: int, size: int) -> float:
    """Return the part of one GPU that each worker takes, so small that all of them find room beside each other.

    A share lies on a single GPU, and Ray rounds it to 1 / 10,000.
    """
    on_one = -(-size // gpus) if gpus else 0
    return 10_000 // on_one / 10_000 if on_one else 0.0


def pool(workers: int | None = None) -> Pool:
    """Return a pool that takes the whole cluster.

    Args:
        workers: None is one for each GPU, or else one for every four cores.

    Raises:
        DataError: if there are not as many cores as workers.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cores = [int(node.get("CPU", 0)) for node in nodes]
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    size = workers or gpus or max(1, sum(cores) // _CORES_OF_A_TASK)
    # A worker has all its cores on one machine.
    room = [each for each in range(1, max(cores, default=0) + 1) if sum(count // each for count in cores) >= size]
    if not room:
        raise DataError(f"{size} workers need {size} cores, the cluster has {sum(cores)}: give a smaller --workers.")
    return Pool(size, room[-1], share(gpus, size))


def each(
    function: Callable[[Item], Any], items: Iterable[Item], chosen: Pool, surroundings: Surroundings
) -> Iterator[tuple[Item, Any, str]]:
    """Call a function with every item, in processes of a cluster, and yield what is finished in any order.

    The next item is asked for when there is room for it, so that it may depend on those that are finished.

    Yields:
        Item, answer, and why there is none, or "": what was raised, or that the process died.
    """
    import ray

    deaths = ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError
    task = ray.remote(num_cpus=chosen.cores, num_gpus=chosen.gpus, max_retries=0)(answer_to)
    waiting = iter(items)
    running: dict[Any, Item] = {}
    while True:
        for item in islice(waiting, chosen.size - len(running)):
            running[task.remote(function, item, surroundings)] = item
        if not running:
            return
        (finished, *_), _ = ray.wait(list(running))
        try:
            answer, failure = ray.get(finished)
        except deaths as error:
            reason, *_ = str(error).split("\n")
            answer, failure = None, f"its process died: {reason}"
        yield running.pop(finished), answer, failure


def answer_to(function: Callable[[Any], Any], item: Any, surroundings: Surroundings) -> tuple[Any, str]:
    """Return what a function makes of an item, and ""; or None, and what went wrong."""
    try:
        surroundings.enter()
        return function(item), ""
    except Exception as error:  # as text: it may be of a class that cannot be sent
        cause = [*with_causes(error)][-1]
        return None, find_message(error) or f"{type(cause).__name__}: {cause}"


@contextmanager
def _connected(address: str | None) -> Iterator[None]:
    import ray

    options: dict[str, Any] = {"address": address, "logging_level": logging.ERROR, "log_to_driver": False}
    with _records() if address is None else nullcontext() as records:
        if records:
            options |= {"address": "local", "include_dashboard": False, "object_store_memory": STORE}
            options["_temp_dir"] = str(records)
        try:
            ray.init(**options)
        except Exception as error:  # Ray raises plain ones, too, as where it was not up within 30 seconds
            what = "Ray did not start here" if address is None else f"there is no Ray cluster at {address!r}"
            way_out = "on a machine that is less busy it may" if address is None else "'ray start --head' starts one"
            raise DataError(f"{what} ({error}): {way_out}, see docs/scale.md.") from error
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def _token() -> Iterator[None]:
    """Let Ray take work from this run alone; it would write a token for all runs into the user's home, if there is one.

    It goes at the end, because other clusters have others.
    """
    given = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token_hex(_TOKEN)}
    if given.keys() & os.environ.keys():
        given = {}
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name, None)


@contextmanager
def _records() -> Iterator[Path]:
    """Give a folder for what Ray writes, inside one that is private: Ray opens its own to everybody.

    It lies where Ray has it by default, because names of sockets in it must be short. Those of killed processes go.
    """
    base = Path(os.environ.get("RAY_TMPDIR", "/tmp"))
    for old in base.glob(f"{_PRIVATE}*"):
        with suppress(OSError):  # another process may have removed it meanwhile, or has it
            if not old.is_symlink() and old.stat().st_uid == os.getuid():
                with FileLock(old / "lock", timeout=0):
                    shutil.rmtree(old, ignore_errors=True)
    try:
        private = Path(tempfile.mkdtemp(prefix=_PRIVATE, dir=base))
    except OSError as error:
        raise DataError(
            f"Ray has no place for its records in {str(base)!r} ({error}): name another folder by RAY_TMPDIR."
        ) from error
    with FileLock(private / "lock"):
        try:
            yield private / "r"
        finally:
            shutil.rmtree(private, ignore_errors=True)
