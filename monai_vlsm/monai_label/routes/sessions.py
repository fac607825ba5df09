"""Routes of images that are not kept, which MONAI Label calls sessions."""

from __future__ import annotations

import tempfile
from threading import Lock
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, File, UploadFile
from fastapi import Path as InPath
from monailabel.interfaces.utils.app import app_instance

from monai_vlsm.errors import MissingFileError
from monai_vlsm.monai_label.refusals import ForbiddenError
from monai_vlsm.monai_label.studies import READ_SUFFIXES, require_room
from monai_vlsm.monai_label.uploads import received

SESSION = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What MONAI Label calls a session, which is a folder of that name: a UUID."""
SessionId = Annotated[str, InPath(pattern=f"^{SESSION}$")]

router = APIRouter(prefix="/session")
_one_at_a_time = Lock()


@router.put("/")
def open_session(files: Annotated[UploadFile, File()], expiry: int = 0, uncompress: bool = False) -> dict[str, Any]:
    """Take an image that is not kept; 3D Slicer does this with what a user has loaded."""
    if uncompress:
        raise ForbiddenError("archives are not unpacked: send one image.")
    sessions = app_instance().sessions()
    with tempfile.TemporaryDirectory() as folder:
        path = received(files, folder, READ_SUFFIXES)
        with _one_at_a_time:
            sessions.remove_expired()
            require_room(sessions.store_path, path.stat().st_size)
            # MONAI Label's own names tell the address of the machine and the time: others follow from one of them.
            session_id, session = sessions.add_session(str(path), expiry, session_id=str(uuid4()))
    return {"session_id": session_id, "session_info": session.to_json()}


@router.get("/{session_id}")
def session_info(session_id: SessionId, update_ts: bool = False) -> Any:
    """Say what is known of a session."""
    return session_of(session_id, update_ts).to_json()


@router.delete("/{session_id}")
def close_session(session_id: SessionId) -> Any:
    """Forget the image of a session."""
    session = session_of(session_id).to_json()
    app_instance().sessions().remove_session(session_id)
    return session


def session_of(session_id: str, update_ts: bool = True) -> Any:
    """Return a session that this server opened.

    Raises:
        MissingFileError: if there is none of that name.
    """
    session = app_instance().sessions().get_session(session_id, update_ts=update_ts)
    if session is None:
        raise MissingFileError(f"there is no session {session_id!r}.")
    return session
