"""Routes of the images and labels of the studies."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import FileResponse
from monailabel.endpoints import datastore
from monailabel.interfaces.utils.app import app_instance
from monailabel.utils.others.generic import get_mime_type

from monai_vlsm.monai_label.options import LabelOptions, Options
from monai_vlsm.monai_label.studies import STORED_SUFFIXES
from monai_vlsm.monai_label.uploads import received

router = APIRouter(prefix="/datastore")


@router.get("/")
def list_studies(output: datastore.ResultType | None = None) -> Any:
    """List images and labels."""
    return datastore.datastore(output)


@router.put("/")
@router.put("/image")
def add_image(
    file: Annotated[UploadFile, File()], image: str = "", params: Annotated[str, Form()] = "{}"
) -> dict[str, str]:
    """Take an image into the studies."""
    Options.model_validate_json(params or "{}")
    with tempfile.TemporaryDirectory() as folder:
        path = received(file, folder, STORED_SUFFIXES)
        name = image or Path(file.filename or "").name[: -len(path.name.removeprefix("upload"))]
        return {"image": app_instance().datastore().add_image(name, str(path), {})}


@router.head("/image")
@router.get("/image")
def image_file(image: str) -> FileResponse:
    """Send an image of the studies."""
    return _sent(app_instance().datastore().image_path(image))


@router.get("/image/info")
def image_info(image: str) -> Any:
    """Say what is known of an image."""
    app_instance().datastore().image_path(image)
    return app_instance().datastore().get_image_info(image)


@router.put("/label")
def save_label(
    image: str, label: Annotated[UploadFile, File()], tag: str = "", params: Annotated[str, Form()] = "{}"
) -> dict[str, str]:
    """Take the label of an image into the studies."""
    given = LabelOptions.model_validate_json(params or "{}").given()
    with tempfile.TemporaryDirectory() as folder:
        path = received(label, folder, STORED_SUFFIXES)
        saved = app_instance().datastore().save_label(image, str(path), tag or "final", given)
    app_instance().on_save_label(image, saved)
    return {"image": image, "label": saved}


@router.head("/label")
@router.get("/label")
def label_file(label: str, tag: str) -> FileResponse:
    """Send a label."""
    return _sent(app_instance().datastore().label_path(label, tag))


@router.get("/label/info")
def label_info(label: str, tag: str) -> Any:
    """Say what is known of a label."""
    return app_instance().datastore().get_label_info(label, tag)


@router.delete("/label")
def remove_label(id: str, tag: str) -> dict[str, str]:
    """Remove a label."""
    app_instance().datastore().label_path(id, tag)
    app_instance().datastore().remove_label(id, tag)
    return {}


def _sent(path: Path) -> FileResponse:
    return FileResponse(path, media_type=get_mime_type(str(path)), filename=path.name)
