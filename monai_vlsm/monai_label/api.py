"""The label server's routes: those that 3D Slicer needs, with checked parameters, and none of MONAI Label's others.

A route that waits for nothing but the disk and the processor is no coroutine: it runs in a thread, and others go on.

MONAI Label serves it in place of its own: ``monailabel start_server --uvicorn_app monai_vlsm.monai_label.api:app``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import Body, FastAPI, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from monailabel.config import settings
from monailabel.endpoints import activelearning
from monailabel.interfaces.exception import MONAILabelError, MONAILabelException
from monailabel.interfaces.utils.app import app_instance
from pydantic import ValidationError

from monai_vlsm.errors import MissingFileError, UserError, find_user_error
from monai_vlsm.monai_label.gate import LOOPBACK, Gate
from monai_vlsm.monai_label.login import Guard, Login, read_token
from monai_vlsm.monai_label.options import Options
from monai_vlsm.monai_label.refusals import BusyError, ClientLeft, ForbiddenError, OvertakenError, TakenError
from monai_vlsm.monai_label.routes import models, reviews, sessions, studies
from monai_vlsm.monai_label.routes.login import login_routes

RETRY_AFTER = 10
"""Seconds after which a busy server is asked again."""
_STATUSES = (
    (ForbiddenError, 403),
    (MissingFileError, 404),
    (OvertakenError, 409),
    (TakenError, 409),
    (BusyError, 503),
    (UserError, 400),
)


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
for routes in (studies, sessions, models, reviews):
    app.include_router(routes.router)
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
    """Name the reason: 403, 404, 409, 503 or 400 for what the client can mend, 500 for all else."""
    if isinstance(error, MONAILabelException):
        status = 400 if error.error is MONAILabelError.INVALID_INPUT else 500
        return JSONResponse({"detail": error.msg}, status)
    reason = find_user_error(error)
    if reason is None:
        return JSONResponse({"detail": f"{type(error).__name__}: {error}"}, 500)
    status = next(status for kind, status in _STATUSES if isinstance(reason, kind))
    return JSONResponse({"detail": str(reason)}, status, {"Retry-After": str(RETRY_AFTER)} if status == 503 else None)


@app.exception_handler(ClientLeft)
async def _nothing(_: Any, error: Exception) -> Response:
    """End a request that nobody waits for."""
    return Response(status_code=503)


@app.exception_handler(RequestValidationError)
@app.exception_handler(ValidationError)
async def _because_invalid(_: Any, error: RequestValidationError | ValidationError) -> JSONResponse:
    reasons = [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
    return JSONResponse({"detail": "; ".join(reasons)}, 400)


@app.get("/info/")
def info() -> Any:
    """Say which models there are, and their options."""
    return app_instance().info()


@app.post("/activelearning/{strategy}")
def next_sample(strategy: str, params: Annotated[Options | None, Body()] = None) -> Any:
    """Choose the next image to label."""
    known = sorted(app_instance().info()["strategies"])
    if strategy not in known:
        raise MissingFileError(f"there is no strategy {strategy!r:.80}, this server has {known}.")
    return activelearning.sample(strategy, {"client_id": params.client_id if params else None})
