"""Overlays of masks on images, for people who would rather look than read."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.outlines import box_around, dilated, eroded

TRUTH_COLOR = (64, 220, 96)
PRED_COLOR = (255, 72, 72)
MIN_WIDTH = 256
"""Pixels; narrower images are enlarged, so that outlines and captions have room."""

MAX_WIDTH = 2048
"""Pixels along the longer side; a screen shows no more, and a slide of 13,000 would take gigabytes to draw."""

_FILLED = [int(0.75 * value + 0.25 * channel) for channel in PRED_COLOR for value in range(256)]
"""What the light fill makes of every value, channel by channel."""

_MAX_FACTOR = 32
_LINE_HEIGHT = 13
_MARGIN = 3
_BACKGROUND = (24, 24, 24)


def draw_overlay(
    image: np.ndarray, pred: np.ndarray | None = None, truth: np.ndarray | None = None, caption: str = ""
) -> np.ndarray:
    """Draw outlines on an image: the annotation green, the prediction red with a light fill.

    Args:
        image: (H, W, 3) float in [0, 1], upright.
        pred: (H, W), prediction where above 0.
        truth: (H, W), annotation where above 0.
        caption: written below the image, for example the prompt; wrapped where it is long.

    Returns:
        (k H, k W, 3) uint8, and below it the lines of the caption. k is 1 for images at least 256 pixels wide, else the
        smallest whole number that makes them so (at most 32).
    """
    factor = min(_MAX_FACTOR, math.ceil(MIN_WIDTH / image.shape[1]))
    picture = Image.fromarray(_enlarge((np.clip(image, 0, 1) * 255).round().astype(np.uint8), factor))
    if pred is not None:
        inside = _enlarge(pred > 0, factor)
        picture.paste(picture.point(_FILLED), mask=Image.fromarray(inside))
        _draw_outline(picture, inside, PRED_COLOR)
    if truth is not None:
        _draw_outline(picture, _enlarge(truth > 0, factor), TRUTH_COLOR)
    return _add_caption(np.asarray(picture), caption)


def contact_sheet(pictures: Sequence[np.ndarray], columns: int = 4) -> np.ndarray:
    """Place pictures (H, W, 3) uint8 in rows of ``MAX_WIDTH`` pixels at most, scaled to the width of the first."""
    width = min(pictures[0].shape[1], MAX_WIDTH // columns)
    scaled = [_to_width(picture, width) for picture in pictures]
    rows = [scaled[start : start + columns] for start in range(0, len(scaled), columns)]
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    sheet = np.full((sum(heights), min(columns, len(scaled)) * width, 3), _BACKGROUND, dtype=np.uint8)
    for row, top in zip(rows, np.cumsum([0, *heights]), strict=False):
        for column, picture in enumerate(row):
            sheet[top : top + picture.shape[0], column * width : (column + 1) * width] = picture
    return sheet


def _enlarge(array: np.ndarray, factor: int) -> np.ndarray:
    return array if factor == 1 else array.repeat(factor, axis=0).repeat(factor, axis=1)


def _draw_outline(picture: Image.Image, mask: Mask, color: tuple[int, int, int]) -> None:
    """Draw in the box around the mask alone, which is smaller than a photograph."""
    width = max(1, round(min(mask.shape) / 256))
    box = box_around(mask, width)
    outline = dilated(mask[box], width) & ~eroded(mask[box])
    if outline.size:
        picture.paste(color, (box[1].start, box[0].start), Image.fromarray(outline))


def _add_caption(picture: np.ndarray, caption: str) -> np.ndarray:
    lines = _wrap(caption, picture.shape[1] - 2 * _MARGIN)
    if not lines:
        return picture
    strip = Image.new("RGB", (picture.shape[1], len(lines) * _LINE_HEIGHT + 2 * _MARGIN), _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, _MARGIN + number * _LINE_HEIGHT), line, fill=(240, 240, 240))
    return np.concatenate([picture, np.asarray(strip)])


def _wrap(caption: str, width: int) -> list[str]:
    """Break a caption into the longest lines that are at most ``width`` pixels wide."""
    caption = caption.encode("latin-1", "replace").decode("latin-1")
    font = ImageFont.load_default()
    lines: list[str] = []
    for characters in range(min(len(caption), width), 0, -1):
        lines = textwrap.wrap(caption, characters)
        if all(font.getlength(line) <= width for line in lines):
            break
    return lines


def _to_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return np.asarray(Image.fromarray(picture).resize((width, height)))
