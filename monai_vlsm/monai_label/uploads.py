"""Uploaded files: written under names of our own, and refused for what their headers say before anything is decoded."""

from __future__ import annotations

import shutil
from pathlib import Path

from fastapi import UploadFile

from monai_vlsm.data.names import is_raster
from monai_vlsm.data.pictures import open_picture
from monai_vlsm.errors import DataError
from monai_vlsm.monai_label.studies import require_suffix
from monai_vlsm.transforms.medical import check_medical


def received(file: UploadFile, folder: str, suffixes: tuple[str, ...]) -> Path:
    """Write an uploaded image into ``folder``; of its name only the suffix is taken, if it is a known one.

    Raises:
        ForbiddenError: if its suffix is not among ``suffixes``.
        DataError: if it is damaged, or its header promises more pixels than :mod:`monai_vlsm.data.limits` allows.
    """
    path = Path(folder) / f"upload{require_suffix(file.filename, suffixes)}"
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    try:
        if is_raster(path):
            with open_picture(path):
                pass
        else:
            check_medical(path)
    except Exception as error:
        raise DataError(f"the uploaded file {file.filename!r:.200} cannot be read: {error}") from error
    return path
