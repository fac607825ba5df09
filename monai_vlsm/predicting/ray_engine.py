"""Several processes and machines: Ray Data deals out the images to workers, each with a network of its own.

Files and table are those of one process: a worker calls the same function for each image, and what is finished is known
by its record alone, whoever made it.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tqdm.auto import tqdm

from monai_vlsm.cluster import Pool, Surroundings, cluster, share
from monai_vlsm.errors import DataError, find_message
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.labels import write_labels
from monai_vlsm.predicting.owner import RECORDS, only_writer, require_owner
from monai_vlsm.predicting.plan import Plan, load_predictor, make_plan
from monai_vlsm.predicting.records import forget, record_path, unfinished, write_record

_MOST_AT_ONCE = 32
"""Images that are dealt out together: dealing takes milliseconds, and what dies with a worker is looked at again."""
_MOST_DEATHS = 3
"""Workers that may die with an image, before it is taken for the cause."""
_NOTE = ".begun"
"""Suffix of what stands beside the record of an image while a worker is at it."""


@dataclass(frozen=True)
class Setting:
    """What a worker takes over from the process that was started.

    Args:
        plan: of the run.
        threads: cores that PyTorch uses.
        surroundings: in which it was started.
    """

    plan: Plan
    threads: int
    surroundings: Surroundings


class Worker:
    """A process that segments images with a network of its own.

    Args:
        setting: of the run.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.predictor: Any = None
        self.failure = self._failure_of(self.load)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Segment images, and return for each the reason why the run cannot go on, or ""."""
        jobs = map(pickle.loads, batch["job"])
        return {"failure": [self.failure or self._failure_of(partial(self._finish, job)) for job in jobs]}

    def segment(self, job: Job) -> None:
        """Do all that happens to one image."""
        from monai_vlsm.predicting.case import segment_case

        segment_case(self.predictor, job, self.setting.plan)

    def load(self) -> None:
        """Load the network, if all is as where the run was started."""
        import torch

        setting = self.setting
        setting.surroundings.enter()
        if make_plan(setting.plan, setting.plan.paraphrases).fingerprint != setting.plan.fingerprint:
            raise DataError(f"the bundle in {setting.plan.bundle!r} is another one than where it was started.")
        torch.set_num_threads(setting.threads)
        self.predictor = load_predictor(setting.plan)

    def _finish(self, job: Job) -> None:
        """Segment an image, unless a worker that died has finished it."""
        plan = self.setting.plan
        require_owner(plan)
        if unfinished([job], replace(plan, overwrite=False)):
            with _survived(job, plan) as may_be_tried:
                if may_be_tried:
                    self.segment(job)

    @staticmethod
    def _failure_of(step: Callable[[], None]) -> str:
        """Return what went wrong, or ""; an error would reach the user through many layers of Ray."""
        try:
            step()
        except Exception as error:
            return f"{find_message(error) or f'{type(error).__name__}: {error}'} (on {socket.gethostname()})"
        return ""


def run_ray(
    jobs: Sequence[Job], plan: Plan, address: str | None = None, workers: int | None = None, threads: int = 1
) -> None:
    """Segment all images, on all machines of a cluster; they must see images, bundle and results at the same paths.

    A worker that dies is started anew, and its images are dealt out again. An image that workers died with three times
    gets a record that says so.

    Args:
        jobs: that are not finished.
        plan: of the run.
        address: of a Ray cluster that is there, ``HOST:PORT`` or ``auto``; None starts one here, for this run.
        workers: None is one for each GPU, or else as many as there are cores for.
        threads: cores of a worker. Results of different numbers differ in their last digits.

    Raises:
        DataError: if Ray is not installed, there is no such cluster, or it is too small; if the device is one GPU of
            several; if a worker has another bundle or version; or if nothing more can be written.
    """
    if plan.device and ":" in plan.device:
        raise DataError(
            f"Ray deals out the GPUs, each worker knows but its own, and the device {plan.device!r} is one of several: "
            "say --device cuda, and name the GPUs in CUDA_VISIBLE_DEVICES where the cluster is started."
        )
    with (
        only_writer(plan) as owned,
        _without_notes(plan),
        cluster(address),
        _quiet(),
        tqdm(None, "segmenting", len(jobs), unit="image", disable=None) as bar,
    ):
        pool = _pool(plan, workers, threads)
        write_labels(jobs, plan)
        for job in jobs if plan.overwrite else []:
            forget(job, plan)  # what a worker finds finished is of this run
        for failure in _answers(jobs, _setting(owned, threads), pool):
            if failure:
                raise DataError(failure)
            bar.update()


def _setting(plan: Plan, threads: int) -> Setting:
    return Setting(
        replace(plan, out=str(plan.folder.absolute()), bundle=os.path.abspath(plan.bundle)),
        threads,
        Surroundings.here(),
    )


def _answers(jobs: Sequence[Job], setting: Setting, pool: Pool) -> Iterator[str]:
    """Segment images, and yield for each one, in any order, why the run cannot go on, or ""."""
    from ray.data import ActorPoolStrategy, from_items

    at_once = max(1, min(_MOST_AT_ONCE, len(jobs) // (2 * pool.size)))
    items = [{"job": pickle.dumps(job)} for job in jobs]
    answers = from_items(items, override_num_blocks=-(-len(items) // at_once)).map_batches(
        Worker,
        fn_constructor_args=(setting,),
        batch_size=None,
        compute=ActorPoolStrategy(size=min(pool.size, len(jobs))),
        num_cpus=pool.cores,
        num_gpus=pool.gpus or None,
    )
    for batch in answers.iter_batches(batch_size=None, prefetch_batches=0):
        yield from map(str, batch["failure"])


@contextmanager
def _survived(job: Job, plan: Plan) -> Iterator[bool]:
    """Note beside its record that an image is being segmented, which stays there where the process dies.

    Gives whether it may be tried; if too many died with it, it gets a record that says so. Then the note stays, too:
    where the image is dealt out once more, with one that another worker died with, it is not tried again.
    """
    note = record_path(job, plan).with_suffix(_NOTE)
    deaths = note.stat().st_size if note.is_file() else 0
    if deaths < _MOST_DEATHS:
        note.parent.mkdir(parents=True, exist_ok=True)
        with note.open("ab") as file:
            file.write(b".")
        yield True
        note.unlink(missing_ok=True)
    else:
        write_record(job, plan, [], 0, f"{deaths} processes died with this image")
        yield False


@contextmanager
def _without_notes(plan: Plan) -> Iterator[None]:
    """Take back all notes at the end: workers that end with a run, as after Ctrl-C, did not die with an image."""
    try:
        yield
    finally:
        for note in list((plan.folder / RECORDS).rglob(f"*{_NOTE}")):
            note.unlink(missing_ok=True)


def _pool(plan: Plan, workers: int | None, threads: int) -> Pool:
    import ray

    found = ray.cluster_resources()
    gpus = 0 if plan.device == "cpu" else int(found.get("GPU", 0))
    cores = int(found.get("CPU", 0))
    size = workers or gpus or max(1, cores // threads)
    if size * threads > cores:
        raise DataError(
            f"{size} workers of {threads} threads need {size * threads} cores, the cluster has {cores}: give smaller "
            "numbers with --workers and --threads."
        )
    return Pool(size, threads, share(gpus, size))


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Ray Data show no bars and no warnings of its own."""
    from ray.data import DataContext

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    shows_bars, context.enable_progress_bars = context.enable_progress_bars, False
    try:
        yield
    finally:
        context.enable_progress_bars = shows_bars
