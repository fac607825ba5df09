"""The routes by which the login of 3D Slicer's plugin works: the password is the token, the user name is any."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import JSONResponse

from monai_vlsm.monai_label.login import LONGEST_TOKEN, Guard, refused


def login_routes(guard: Guard) -> APIRouter:
    """Return what MONAI Label answers below ``/auth``, for the token that ``guard`` knows."""
    router = APIRouter(prefix="/auth")

    @router.get("/")
    async def login_wanted() -> dict[str, Any]:
        """Say that there is a login."""
        return {"enabled": True, "client_id": "monailabel-app", "realm": None}

    @router.post("/token")
    async def log_in(request: Request, password: Annotated[str, Form(max_length=LONGEST_TOKEN)]) -> JSONResponse:
        """Take the token as a password, and name it as what to show from now on."""
        seconds = guard.wait_for(password, request.client.host if request.client else "?")
        if seconds is not None:
            status, reason, headers = refused(seconds)
            return JSONResponse({"detail": reason}, status, headers)
        return JSONResponse({"access_token": password, "token_type": "bearer"}, headers={"Cache-Control": "no-store"})

    @router.get("/token/valid")
    async def token_is_valid() -> dict[str, Any]:
        """Say that the login let this request in."""
        return {"username": "user", "email": None, "name": None, "roles": []}

    return router
