"""One process for all images: while the network runs, the next image is read and the last one written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tqdm.auto import tqdm

from monai_vlsm.predicting.case import Case, answer_case, read_case, write_case
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.labels import write_labels
from monai_vlsm.predicting.owner import only_writer
from monai_vlsm.predicting.plan import Plan, load_predictor
from monai_vlsm.predictor import Predictor

_AHEAD = 2
"""Images that are read before it is their turn; also those that wait to be written."""


def run_local(jobs: Sequence[Job], plan: Plan, predictor: Predictor | None = None) -> None:
    """Segment all images.

    Args:
        jobs: what is asked of which image.
        plan: what is done with each.
        predictor: that of the plan, where it was loaded before.

    Raises:
        MissingFileError, DataError: if the bundle cannot be used, nothing more can be written, or another run writes
            into the folder.
    """
    predictor = predictor or load_predictor(plan)
    writing: deque[Future[None]] = deque()
    with only_writer(plan) as owned, ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        write_labels(jobs, owned)
        try:
            for case in tqdm(_read_ahead(jobs, reader), "segmenting", len(jobs), unit="image", disable=None):
                writing.append(writer.submit(write_case, answer_case(predictor, case, owned), owned))
                if len(writing) > _AHEAD:
                    writing.popleft().result()
            for written in writing:
                written.result()
        finally:
            reader.shutdown(cancel_futures=True)


def _read_ahead(jobs: Sequence[Job], reader: ThreadPoolExecutor) -> Iterator[Case]:
    reading: deque[Future[Case]] = deque()
    for job in jobs:
        reading.append(reader.submit(read_case, job))
        if len(reading) > _AHEAD:
            yield reading.popleft().result()
    while reading:
        yield reading.popleft().result()
