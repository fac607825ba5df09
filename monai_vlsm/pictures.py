"""Overlays of masks on images, for people who would rather look than read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation, binary_erosion

TRUTH_COLOUR = (64, 220, 96)
PRED_COLOUR = (255, 72, 72)
_CAPTION_HEIGHT = 14


def draw_overlay(
    image: np.ndarray, pred: np.ndarray | None = None, truth: np.ndarray | None = None, caption: str = ""
) -> np.ndarray:
    """Draw outlines on an image: the annotation green, the prediction red with a light fill.

    Args:
        image: (H, W, 3) float in [0, 1], upright.
        pred: (H, W), prediction where above 0.
        truth: (H, W), annotation where above 0.
        caption: written below the image, for example the prompt.

    Returns:
        (H + 14, W, 3) uint8 with a caption, (H, W, 3) without.
    """
    picture = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    if pred is not None:
        inside = pred > 0
        picture[inside] = (0.75 * picture[inside] + 0.25 * np.array(PRED_COLOUR)).astype(np.uint8)
        picture[_outline(inside)] = PRED_COLOUR
    if truth is not None:
        picture[_outline(truth > 0)] = TRUTH_COLOUR
    return _add_caption(picture, caption) if caption else picture


def contact_sheet(pictures: Sequence[np.ndarray], columns: int = 4) -> np.ndarray:
    """Place pictures (H, W, 3) uint8, scaled to the width of the first, in rows."""
    width = pictures[0].shape[1]
    scaled = [_to_width(picture, width) for picture in pictures]
    rows = [scaled[start : start + columns] for start in range(0, len(scaled), columns)]
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    sheet = np.full((sum(heights), min(columns, len(scaled)) * width, 3), 24, dtype=np.uint8)
    for row, top in zip(rows, np.cumsum([0, *heights]), strict=False):
        for column, picture in enumerate(row):
            sheet[top : top + picture.shape[0], column * width : (column + 1) * width] = picture
    return sheet


def _outline(mask: np.ndarray) -> np.ndarray:
    width = max(1, round(min(mask.shape) / 256))
    return binary_dilation(mask, iterations=width) & ~binary_erosion(mask, iterations=1)


def _add_caption(picture: np.ndarray, caption: str) -> np.ndarray:
    strip = Image.new("RGB", (picture.shape[1], _CAPTION_HEIGHT), (24, 24, 24))
    ImageDraw.Draw(strip).text((2, 1), caption.encode("latin-1", "replace").decode("latin-1"), fill=(240, 240, 240))
    return np.concatenate([picture, np.asarray(strip)])


def _to_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return np.asarray(Image.fromarray(picture).resize((width, height)))
