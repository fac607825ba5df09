"""Pictures of results: all that was found in an image, each label in its color."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.data import MetaTensor
from PIL import Image

from monai_vlsm.data.masks import Mask
from monai_vlsm.handlers.drawing import draw_masks
from monai_vlsm.handlers.overlays import upright_case
from monai_vlsm.predicting.jobs import Ask
from monai_vlsm.predicting.labels import color_of

THUMBNAIL = 320
"""Pixels along the longer side."""


def drawn_case(image: MetaTensor, masks: Sequence[Mask], asks: Sequence[Ask], captions: bool) -> Image.Image:
    """Draw the masks of an image on it; of a volume on the slice that holds most of them.

    Args:
        image: (C, W, H[, D]), as it was loaded.
        masks: (H, W) of pictures, (W, H, D) of volumes.
        asks: what each mask answers.
        captions: whether the prompts stand below.
    """
    # The axes of pictures are those of a screen, not of their file.
    stored = [torch.from_numpy(mask.T if image.ndim == 3 else mask)[None] for mask in masks]
    picture, upright = upright_case(image, stored)
    colors = [color_of(ask.value) for ask in asks]
    return Image.fromarray(draw_masks(picture, upright, colors, [ask.prompt for ask in asks] if captions else ()))


def thumbnail_of(picture: Image.Image) -> Image.Image:
    """Return a small copy of a picture."""
    small = picture.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return small
