"""Which files a run writes for each image, known before anything is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from monai_vlsm.data.names import is_image, is_raster
from monai_vlsm.errors import DataError
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.sources import Source, is_dicom

TABLE = "results.csv"
PAGE = "results.html"
SHEET = "overlays.png"
LABELS = "labels.json"
LABEL_MAP = "_labels."
"""Stands in the name of a label map, before its suffix."""
_OF_THE_RUN = (TABLE, PAGE, SHEET, LABELS)
OVERLAYS = "overlays"
"""Folder of the overlays."""
THUMBNAILS = "thumbnails"
"""Folder of the pictures of the page."""


@dataclass(frozen=True)
class Targets:
    """Files of an image, relative to the folder of results, with forward slashes.

    Args:
        masks, probabilities: one for each prompt, or none.
        label_map, seg, overlay, thumbnail: None where they are not wanted.
    """

    masks: tuple[str, ...]
    probabilities: tuple[str, ...] = ()
    label_map: str | None = None
    seg: str | None = None
    overlay: str | None = None
    thumbnail: str | None = None

    def all(self) -> list[str]:
        """Return every file."""
        single = (self.label_map, self.seg, self.overlay, self.thumbnail)
        return [*self.masks, *self.probabilities, *(file for file in single if file is not None)]


def is_dicom_source(source: Source) -> bool:
    """Tell whether an image is DICOM, for which readers take whatever is of no other known kind."""
    return is_dicom(source.path) or not is_image(source.path)


def targets_of(job: Job, plan: Plan) -> Targets:
    """Return the files that a plan writes for an image."""
    name, slugs = job.source.name, job.slugs()
    suffix = ".png" if is_raster(job.source.path) else ".nii.gz"
    return Targets(
        masks=tuple(f"{name}_{slug}{suffix}" for slug in slugs),
        probabilities=tuple(f"{name}_{slug}_probability{suffix}" for slug in slugs) if plan.probabilities else (),
        label_map=f"{name}{LABEL_MAP}{suffix[1:]}" if plan.label_map else None,
        seg=f"{name}_seg.dcm" if plan.dicom_seg and is_dicom_source(job.source) else None,
        overlay=f"{OVERLAYS}/{name}.png" if job.shown else None,
        thumbnail=f"{THUMBNAILS}/{name}.jpg" if plan.thumbnails else None,
    )


def require_apart(jobs: Sequence[Job], plan: Plan) -> None:
    """Make sure that no file is written twice, none over an image, and none in the place of a folder.

    Raises:
        DataError: naming the file and the images.
    """
    writers: dict[str, Source] = {}
    for job in jobs:
        for file in targets_of(job, plan).all():
            other = writers.get(file.casefold())
            if other is job.source:
                _refuse(f"{file!r} would be written twice for {other.shown!r}, as a mask and as the label map")
            if other is not None:
                _refuse(f"{file!r} would be written for two images, {other.shown!r} and {job.source.shown!r}")
            writers[file.casefold()] = job.source
    folders = {str(parent) for file in writers for parent in PurePosixPath(file).parents}
    for name in sorted(folders & {*writers, *_OF_THE_RUN}):
        _refuse(f"{name!r} would be a file, and the folder of other results")
    root = os.path.realpath(plan.folder)
    for image in (image for job in jobs for image in job.source.files):
        real = Path(os.path.realpath(image))
        if real.is_relative_to(root) and real.relative_to(root).as_posix().casefold() in writers:
            _refuse(f"a result would be written over the image {str(image)!r}")


def _refuse(why: str) -> None:
    raise DataError(f"{why}: name labels or images otherwise, or give some of these an --out of their own.")
