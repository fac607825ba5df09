"""All that happens to one image: read, encoded once, segmented by every prompt, written, and recorded as finished."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from monai.data import MetaTensor

from monai_vlsm.errors import OtherRunError, UserError, find_message, with_causes
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.records import State, forget, state_of, write_record
from monai_vlsm.predicting.remote import local_copy
from monai_vlsm.predicting.write import Answer, write_files
from monai_vlsm.predictor import Prediction, Predictor, read_image

_logger = logging.getLogger("monai_vlsm")


@dataclass
class Case:
    """An image on its way.

    Args:
        job: what is asked of it.
        image: (C, W, H[, D]) as :func:`.read_image` gives it; None if it could not be read.
        answers: one for each prompt.
        seconds: spent on it so far.
        error: why there are no answers.
        state: of its files before they were read; what changes them meanwhile is seen by the next run.
    """

    job: Job
    image: MetaTensor | None = None
    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0
    error: str | None = None
    state: State | None = None


def segment_case(predictor: Predictor, job: Job, plan: Plan) -> None:
    """Do all that happens to one image; what is wrong with it becomes the ``error`` of its record.

    Raises:
        DataError: if nothing more can be written, because the disk is full or not to be reached, or the run has ended.
    """
    write_case(answer_case(predictor, read_case(job), plan), plan)


def read_case(job: Job) -> Case:
    """Read an image."""
    case = Case(job, state=state_of(job))
    with _step(case):
        if job.source.remote is None:
            case.image = read_image(job.source.given)
        else:
            with local_copy(job.source.remote) as copy:
                case.image = read_image(copy)
    return case


def answer_case(predictor: Predictor, case: Case, plan: Plan) -> Case:
    """Encode an image, and decode every prompt."""
    with _step(case):
        if case.image is not None:
            predictor.set_image(case.image)
            found = predictor.predict_each([ask.prompt for ask in case.job.asks])
            case.answers = [_answer(each, plan) for each in found]
    return case


def write_case(case: Case, plan: Plan) -> None:
    """Write all files of an image, and last its record.

    Raises:
        DataError: if the disk is full or not to be reached, or belongs to another run by now.
    """
    rows: list[dict[str, Any]] = []
    forget(case.job, plan)
    with _step(case, writes=True):
        if case.error is None and case.image is not None:
            rows = write_files(case.image, case.answers, case.job, plan)
    write_record(case.job, plan, rows, case.seconds, case.error, case.state)


def _answer(found: Prediction, plan: Plan) -> Answer:
    scores = {
        "presence": round(found.presence, 6),
        "mean_probability": round(found.mean_probability, 6),
        "agreement": None if found.agreement is None else round(found.agreement, 6),
        "look": found.mean_probability < plan.look_below,
        "emptied": found.emptied,
    }
    return Answer(found.mask, found.probability if plan.label_map or plan.probabilities else None, scores)


def _is_about_the_folder(error: Exception) -> bool:
    """Tell errors of writing: where it fails, that is a UserError; a plain OSError is about the image's own files."""
    causes = with_causes(error)
    return isinstance(error, UserError) and any(isinstance(cause, OSError | OtherRunError) for cause in causes)


@contextmanager
def _step(case: Case, writes: bool = False) -> Iterator[None]:
    """Count the time, and keep what is wrong with this image from the others; a disk that fails is not about it."""
    start = time.perf_counter()
    try:
        yield
    except Exception as error:
        if writes and _is_about_the_folder(error):
            raise
        case.error = find_message(error) or f"{type(error).__name__}: {error}"
        _logger.debug("no answer for %s", case.job.source.shown, exc_info=True)
    finally:
        case.seconds += time.perf_counter() - start
