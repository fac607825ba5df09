"""Routes of what models do: inference on one image and on many, and training."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal

from fastapi import APIRouter, BackgroundTasks, Body, File, Form, Query, Request, UploadFile
from fastapi.concurrency import run_in_threadpool
from monailabel.endpoints import batch_infer, infer, train
from monailabel.interfaces.tasks.batch_infer import BatchInferImageType
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.async_tasks.utils import tasks

from monai_vlsm.errors import DataError
from monai_vlsm.monai_label.options import BatchOptions, InferOptions, TrainOptions
from monai_vlsm.monai_label.refusals import BusyError
from monai_vlsm.monai_label.routes.sessions import SESSION, session_of
from monai_vlsm.monai_label.studies import READ_SUFFIXES
from monai_vlsm.monai_label.turns import Result
from monai_vlsm.monai_label.uploads import received

LONGEST_LINE = 8
"""Trainings that wait for the one that runs."""

router = APIRouter()
_one_at_a_time = Lock()


@router.post("/infer/{model}")
async def run_inference(
    http: Request,
    background_tasks: BackgroundTasks,
    model: str,
    image: str = "",
    session_id: Annotated[str, Query(pattern=f"^({SESSION})?$")] = "",
    params: Annotated[str, Form()] = "{}",
    file: Annotated[UploadFile | None, File()] = None,
    output: Literal["image", "json", "all"] | None = None,
) -> Any:
    """Segment an image of the studies, of a session, or an uploaded one."""
    request = {"model": model, **InferOptions.model_validate_json(params or "{}").given()}
    await run_in_threadpool(app_instance().require_model, model)
    if session_id:
        request["image"] = Path((await run_in_threadpool(session_of, session_id)).image)
    elif file is None and image:
        request["image"] = image
    elif file is None:
        raise DataError("Neither Image nor File nor Session ID input is provided")

    def work() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            uploaded = {} if file is None or session_id else {"image": received(file, folder, READ_SUFFIXES)}
            return app_instance().infer({**request, **uploaded})

    result = await _in_turn(http, work)
    return await run_in_threadpool(infer.send_response, app_instance().datastore(), result, output, background_tasks)


@router.get("/batch/infer")
def batch_status(all: bool = False, check_if_running: bool = False) -> Any:
    """Say what became of an inference on many images."""
    return batch_infer.status(all, check_if_running)


@router.post("/batch/infer/{model}")
async def run_batch(
    http: Request,
    model: str,
    images: BatchInferImageType = BatchInferImageType.IMAGES_ALL,
    params: Annotated[BatchOptions | None, Body()] = None,
    run_sync: bool = False,
) -> Any:
    """Segment many images of the studies."""
    await run_in_threadpool(app_instance().require_model, model)
    options = (params or BatchOptions()).model_dump(exclude={"client_id"})
    if run_sync:
        return await _in_turn(http, lambda: batch_infer.run(model, images, options, True))
    return await _begun(lambda: batch_infer.run(model, images, options, False))


@router.delete("/batch/infer")
def stop_batch() -> Any:
    """Stop an inference on many images."""
    return batch_infer.stop()


@router.get("/train/")
def training_status(all: bool = False, check_if_running: bool = False) -> Any:
    """Say what became of a training."""
    return train.status(all, check_if_running)


@router.post("/train/{model}")
async def run_training(
    http: Request,
    model: str,
    params: Annotated[TrainOptions | None, Body()] = None,
    run_sync: bool = False,
    enqueue: bool = False,
) -> Any:
    """Train a model on the labels."""
    await run_in_threadpool(app_instance().require_trainable, model)
    options = (params or TrainOptions()).given()
    if run_sync:
        return await _in_turn(http, lambda: train.run_model(model, options, True, enqueue))
    return await _begun(lambda: _train_later(model, options, enqueue))


@router.delete("/train/")
def stop_training() -> Any:
    """Stop a training."""
    return train.stop()


def _train_later(model: str, options: dict[str, Any], enqueue: bool) -> Any:
    if enqueue and sum(task["status"] == "SUBMITTED" for task in tasks("train")) >= LONGEST_LINE:
        raise BusyError(f"{LONGEST_LINE} trainings wait already: send this one again later.")
    return train.run_model(model, options, False, enqueue)


async def _begun(begin: Callable[[], Result]) -> Result:
    """Begin something in the background; requests that come at the same time do so one after the other."""

    def alone() -> Result:
        with _one_at_a_time:
            return begin()

    return await run_in_threadpool(alone)


async def _in_turn(http: Request, work: Callable[[], Result]) -> Result:
    """Run what is heavy when it is its turn, unless the client leaves before."""

    async def left() -> None:
        while (await http.receive())["type"] != "http.disconnect":
            pass

    return await app_instance().turns.take(left, work)
