"""The label server's routes: those that 3D Slicer needs, with checked parameters, and none of MONAI Label's others.

MONAI Label serves it in place of its own: ``monailabel start_server --uvicorn_app monai_vlsm.monai_label.api:app``.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import BackgroundTasks, Body, FastAPI, File, Form, Query, UploadFile
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse
from monailabel.config import settings
from monailabel.endpoints import activelearning, batch_infer, datastore, infer, train
from monailabel.interfaces.exception import MONAILabelError, MONAILabelException
from monailabel.interfaces.tasks.batch_infer import BatchInferImageType
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.others.generic import get_mime_type
from pydantic import ValidationError

from monai_vlsm.errors import DataError, MissingFileError, UserError, find_message
from monai_vlsm.monai_label.gate import LOOPBACK, Gate
from monai_vlsm.monai_label.login import Guard, Login, read_token
from monai_vlsm.monai_label.login_routes import login_routes
from monai_vlsm.monai_label.options import BatchOptions, InferOptions, LabelOptions, Options, TrainOptions
from monai_vlsm.monai_label.studies import READ_SUFFIXES, STORED_SUFFIXES, require_suffix

SESSION = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What MONAI Label calls a session, which is a folder of that name: a UUID."""
SessionId = Annotated[str, InPath(pattern=f"^{SESSION}$")]
Tag = Literal["final", "original"]


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    instance = app_instance()
    instance.server_mode(True)
    instance.behind_gate()
    instance.on_init_complete()
    yield


def _listed(key: str) -> list[str]:
    return [item for item in settings.MONAI_LABEL_APP_CONF.get(key, "").split(",") if item]


app = FastAPI(title="monai_vlsm", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan)
if _listed("login"):
    guard = Guard(read_token(Path(settings.MONAI_LABEL_APP_DIR)))
    app.include_router(login_routes(guard))
    app.add_middleware(Login, guard=guard)
if _listed("origins"):
    app.add_middleware(CORSMiddleware, allow_origins=_listed("origins"), allow_methods=["*"], allow_headers=["*"])
app.add_middleware(Gate, hosts=[*LOOPBACK, *_listed("hosts")], origins=_listed("origins"))


@app.exception_handler(UserError)
@app.exception_handler(MONAILabelException)
@app.exception_handler(Exception)
async def _because(_: Any, error: Exception) -> JSONResponse:
    """Name the reason: 404 for what is not there, 400 for what the client can mend, 500 for all else."""
    message = error.msg if isinstance(error, MONAILabelException) else find_message(error)
    if message is None:
        return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 500)
    if isinstance(error, MONAILabelException) and error.error is not MONAILabelError.INVALID_INPUT:
        return JSONResponse({"detail": message}, 500)
    return JSONResponse({"detail": message}, 404 if isinstance(error, MissingFileError) else 400)


@app.exception_handler(RequestValidationError)
@app.exception_handler(ValidationError)
async def _because_invalid(_: Any, error: RequestValidationError | ValidationError) -> JSONResponse:
    reasons = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
    return JSONResponse({"detail": "; ".join(reasons)}, 400)


@app.get("/info/")
async def info() -> Any:
    """Say which models there are, and their options."""
    return app_instance().info()


@app.post("/activelearning/{strategy}")
async def next_sample(strategy: str, params: Annotated[Options | None, Body()] = None) -> Any:
    """Choose the next image to label."""
    known = sorted(app_instance().info()["strategies"])
    if strategy not in known:
        raise MissingFileError(f"there is no strategy {strategy!r:.80}, this server has {known}.")
    return activelearning.sample(strategy, {"client_id": params.client_id if params else None})


@app.get("/datastore/")
async def list_studies(output: datastore.ResultType | None = None) -> Any:
    """List images and labels."""
    return datastore.datastore(output)


@app.put("/datastore/")
@app.put("/datastore/image")
async def add_image(
    file: Annotated[UploadFile, File()], image: str = "", params: Annotated[str, Form()] = "{}"
) -> dict[str, str]:
    """Take an image into the studies."""
    Options.model_validate_json(params or "{}")
    with tempfile.TemporaryDirectory() as folder:
        path = _received(file, folder, STORED_SUFFIXES)
        name = image or Path(file.filename or "").name[: -len(path.name.removeprefix("upload"))]
        return {"image": app_instance().datastore().add_image(name, str(path), {})}


@app.head("/datastore/image")
@app.get("/datastore/image")
async def image_file(image: str) -> FileResponse:
    """Send an image of the studies."""
    return _sent(app_instance().datastore().image_path(image))


@app.get("/datastore/image/info")
async def image_info(image: str) -> Any:
    """Say what is known of an image."""
    app_instance().datastore().image_path(image)
    return app_instance().datastore().get_image_info(image)


@app.put("/datastore/label")
async def save_label(
    image: str, label: Annotated[UploadFile, File()], tag: Tag | Literal[""] = "", params: Annotated[str, Form()] = "{}"
) -> dict[str, str]:
    """Take the label of an image into the studies."""
    given = LabelOptions.model_validate_json(params or "{}").given()
    with tempfile.TemporaryDirectory() as folder:
        path = _received(label, folder, STORED_SUFFIXES)
        saved = app_instance().datastore().save_label(image, str(path), tag or "final", given)
    app_instance().on_save_label(image, saved)
    return {"image": image, "label": saved}


@app.head("/datastore/label")
@app.get("/datastore/label")
async def label_file(label: str, tag: Tag) -> FileResponse:
    """Send a label."""
    return _sent(app_instance().datastore().label_path(label, tag))


@app.get("/datastore/label/info")
async def label_info(label: str, tag: Tag) -> Any:
    """Say what is known of a label."""
    return app_instance().datastore().get_label_info(label, tag)


@app.delete("/datastore/label")
async def remove_label(id: str, tag: Tag) -> dict[str, str]:
    """Remove a label."""
    app_instance().datastore().label_path(id, tag)
    app_instance().datastore().remove_label(id, tag)
    return {}


@app.post("/infer/{model}")
async def run_inference(
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
    with tempfile.TemporaryDirectory() as folder:
        if session_id:
            request["image"] = Path(_session(session_id).image)
        elif file is not None:
            request["image"] = _received(file, folder, READ_SUFFIXES)
        elif image:
            request["image"] = image
        else:
            raise DataError("Neither Image nor File nor Session ID input is provided")
        result = app_instance().infer(request)
    return infer.send_response(app_instance().datastore(), result, output, background_tasks)


@app.get("/batch/infer")
async def batch_status(all: bool = False, check_if_running: bool = False) -> Any:
    """Say what became of an inference on many images."""
    return batch_infer.status(all, check_if_running)


@app.post("/batch/infer/{model}")
async def run_batch(
    model: str,
    images: BatchInferImageType = BatchInferImageType.IMAGES_ALL,
    params: Annotated[BatchOptions | None, Body()] = None,
    run_sync: bool = False,
) -> Any:
    """Segment many images of the studies."""
    app_instance().require_model(model)
    options = (params or BatchOptions()).model_dump(exclude={"client_id"})
    return batch_infer.run(model, images, options, run_sync)


@app.delete("/batch/infer")
async def stop_batch() -> Any:
    """Stop an inference on many images."""
    return batch_infer.stop()


@app.get("/train/")
async def training_status(all: bool = False, check_if_running: bool = False) -> Any:
    """Say what became of a training."""
    return train.status(all, check_if_running)


@app.post("/train/{model}")
async def run_training(
    model: str,
    params: Annotated[TrainOptions | None, Body()] = None,
    run_sync: bool = False,
    enqueue: bool = False,
) -> Any:
    """Train a model on the labels."""
    app_instance().require_trainable(model)
    return train.run_model(model, (params or TrainOptions()).given(), run_sync, enqueue)


@app.delete("/train/")
async def stop_training() -> Any:
    """Stop a training."""
    return train.stop()


@app.put("/session/")
async def open_session(files: Annotated[UploadFile, File()], expiry: int = 0) -> dict[str, Any]:
    """Take an image that is not kept; 3D Slicer does this with what a user has loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = _received(files, folder, READ_SUFFIXES)
        session_id, session = app_instance().sessions().add_session(str(path), expiry)
    return {"session_id": session_id, "session_info": session.to_json()}


@app.get("/session/{session_id}")
async def session_info(session_id: SessionId, update_ts: bool = False) -> Any:
    """Say what is known of a session."""
    return _session(session_id, update_ts).to_json()


@app.delete("/session/{session_id}")
async def close_session(session_id: SessionId) -> Any:
    """Forget the image of a session."""
    session = _session(session_id).to_json()
    app_instance().sessions().remove_session(session_id)
    return session


def _session(session_id: str, update_ts: bool = True) -> Any:
    session = app_instance().sessions().get_session(session_id, update_ts=update_ts)
    if session is None:
        raise MissingFileError(f"there is no session {session_id!r}.")
    return session


def _received(file: UploadFile, folder: str, suffixes: tuple[str, ...]) -> Path:
    """Write an uploaded file into ``folder``; of its name only the suffix is taken, if it is a known one."""
    path = Path(folder) / f"upload{require_suffix(file.filename, suffixes)}"
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    return path


def _sent(path: Path) -> FileResponse:
    return FileResponse(path, media_type=get_mime_type(str(path)), filename=path.name)
