"""The files of one image, and what its rows in the table say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image

from monai_vlsm.data.names import is_raster
from monai_vlsm.data.pictures import write_mask
from monai_vlsm.dicom.patient import patient_of
from monai_vlsm.dicom.seg import Segment, write_seg
from monai_vlsm.predicting.draw import drawn_case, thumbnail_of
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.labels import color_of, paint_order
from monai_vlsm.predicting.measures import measured
from monai_vlsm.predicting.owner import replace_owned
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.targets import Targets, is_dicom_source, targets_of
from monai_vlsm.transforms.load import name_of
from monai_vlsm.transforms.overlap import merge_labels
from monai_vlsm.transforms.save import save_volume

_STEPS = 65535
"""A probability is stored as so many whole steps, which both PNG and NIfTI hold."""
_FAST = 1
"""Level of compression; Pillow's own, 6, takes several times as long."""


@dataclass(frozen=True)
class Answer:
    """What a prompt found: :class:`.Prediction` without what no file needs.

    Args:
        mask: bool, (H, W) of pictures, the axes of the file for all others.
        probability: float32 of that shape, where a file needs it.
        scores: columns of the table.
    """

    mask: np.ndarray
    probability: np.ndarray | None
    scores: dict[str, Any]


def write_files(image: MetaTensor, answers: Sequence[Answer], job: Job, plan: Plan) -> list[dict[str, Any]]:
    """Write all files of an image, each whole or not at all, and return its rows of the table.

    Raises:
        DataError: if one cannot be written.
    """
    targets = targets_of(job, plan)
    for answer, file in zip(answers, targets.masks, strict=True):
        _write_mask(answer.mask, image, file, plan)
    for answer, file in zip(answers, targets.probabilities, strict=False):
        _write_probability(answer, image, file, plan)
    if targets.label_map is not None:
        _write_label_map(answers, image, job, targets.label_map, plan)
    if targets.seg is not None:
        segments = [Segment(ask.name, answer.mask) for ask, answer in zip(job.asks, answers, strict=True)]
        with replace_owned(plan.folder / targets.seg, plan) as part:
            write_seg(part, segments, job.source.given, plan.checkpoint)
    _write_pictures(answers, image, job, targets, plan)
    patient = patient_of(job.source.given) if plan.with_patient and is_dicom_source(job.source) else {}
    return [
        {"mask": file, **measured(answer.mask, image), **answer.scores, **patient}
        for answer, file in zip(answers, targets.masks, strict=True)
    ]


def _write_mask(mask: np.ndarray, image: MetaTensor, file: str, plan: Plan) -> None:
    with replace_owned(plan.folder / file, plan) as part:
        if is_raster(name_of(image)):
            write_mask(mask, part)
        else:
            save_volume(mask.astype(np.uint8), image, part)


def _write_probability(answer: Answer, image: MetaTensor, file: str, plan: Plan) -> None:
    steps = np.round(np.asarray(answer.probability) * _STEPS).astype(np.uint16)
    with replace_owned(plan.folder / file, plan) as part:
        if is_raster(name_of(image)):
            Image.fromarray(steps).save(part, compress_level=_FAST)
        else:
            save_volume(steps, image, part, slope=1 / _STEPS)


def _write_label_map(answers: Sequence[Answer], image: MetaTensor, job: Job, file: str, plan: Plan) -> None:
    probabilities = [torch.from_numpy(np.asarray(answer.probability)) for answer in answers]
    masks = [torch.from_numpy(answer.mask) for answer in answers]
    values = [ask.value for ask in job.asks]
    merged = merge_labels(probabilities, masks, values, paint_order(job.asks, plan.priority)).numpy()
    with replace_owned(plan.folder / file, plan) as part:
        if not is_raster(name_of(image)):
            save_volume(merged, image, part)
        elif merged.dtype == np.uint8:
            indexed = Image.fromarray(merged)
            indexed.putpalette([part for value in range(256) for part in color_of(value)])
            indexed.save(part, compress_level=_FAST)
        else:
            Image.fromarray(merged).save(part, compress_level=_FAST)


def _write_pictures(answers: Sequence[Answer], image: MetaTensor, job: Job, targets: Targets, plan: Plan) -> None:
    if targets.overlay is None and targets.thumbnail is None:
        return
    masks = [answer.mask for answer in answers]
    if targets.overlay is not None:
        with replace_owned(plan.folder / targets.overlay, plan) as part:
            drawn_case(image, masks, job.asks, captions=True).save(part, compress_level=_FAST)
    if targets.thumbnail is not None:
        with replace_owned(plan.folder / targets.thumbnail, plan) as part:
            thumbnail_of(drawn_case(image, masks, job.asks, captions=False)).save(part, quality=85)
