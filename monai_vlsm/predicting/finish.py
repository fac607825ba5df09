"""What a run leaves behind beside the files of each image, made from the records alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from monai_vlsm.data.pictures import open_picture
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.handlers.drawing import MAX_WIDTH, contact_sheet
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.labels import write_labels
from monai_vlsm.predicting.owner import only_writer
from monai_vlsm.predicting.page import write_page
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.records import Outcome, write_results
from monai_vlsm.predicting.targets import SHEET, targets_of

_MOST_ON_SHEET = 64
_COLUMNS = 4


def finish(jobs: Sequence[Job], plan: Plan) -> Outcome:
    """Write table, colors of the labels, overlays in one picture and page, and return what was found.

    Raises:
        DataError: if one cannot be written, or another run writes into the folder.
    """
    with only_writer(plan):
        outcome = write_results(jobs, plan)
        write_labels(jobs, plan)
        _write_sheet([job for job in jobs if job not in outcome.failed], plan)
        if plan.thumbnails:
            write_page(jobs, plan)
    return outcome


def _write_sheet(jobs: Sequence[Job], plan: Plan) -> None:
    files = [plan.folder / str(targets_of(job, plan).overlay) for job in jobs if job.shown][:_MOST_ON_SHEET]
    overlays = []
    for file in (file for file in files if file.is_file()):
        with open_picture(file) as picture:
            picture.thumbnail((MAX_WIDTH // _COLUMNS, picture.height))
            overlays.append(np.asarray(picture))
    if overlays:
        with replace_whole(plan.folder / SHEET) as part:
            Image.fromarray(contact_sheet(overlays, _COLUMNS)).save(part, compress_level=1)
