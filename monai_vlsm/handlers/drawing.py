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

Color = tuple[int, int, int]
"""Red, green and blue."""

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
    picture, factor = _enlarged(image)
    if pred is not None:
        _draw_mask(picture, _enlarge(pred > 0, factor), PRED_COLOR)
    if truth is not None:
        _draw_outline(picture, _enlarge(truth > 0, factor), TRUTH_COLOR)
    return _add_caption(np.asarray(picture), caption)


def draw_masks(
    image: np.ndarray, masks: Sequence[np.ndarray], colors: Sequence[Color], captions: Sequence[str] = ()
) -> np.ndarray:
    """Draw several masks on an image, each in its color, as :func:`draw_overlay` draws a prediction.

    Args:
        image: (H, W, 3) float in [0, 1], upright.
        masks: (H, W) each, set where above 0.
        colors: of the masks.
        captions: one for each mask, which are written below behind a square of its color; or none.
    """
    picture, factor = _enlarged(image)
    for mask, color in zip(masks, colors, strict=True):
        _draw_mask(picture, _enlarge(mask > 0, factor), color)
    drawn = np.asarray(picture)
    for caption, color in zip(captions, colors, strict=False):
        drawn = _add_caption(drawn, caption, color)
    return drawn


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


def _enlarged(image: np.ndarray) -> tuple[Image.Image, int]:
    """Return an image (H, W, 3) in [0, 1] as a picture that is wide enough, and how many times as large it is."""
    factor = min(_MAX_FACTOR, math.ceil(MIN_WIDTH / image.shape[1]))
    return Image.fromarray(_enlarge((np.clip(image, 0, 1) * 255).round().astype(np.uint8), factor)), factor


def _draw_mask(picture: Image.Image, inside: Mask, color: Color) -> None:
    filled = [int(0.75 * value + 0.25 * channel) for channel in color for value in range(256)]
    picture.paste(picture.point(filled), mask=Image.fromarray(inside))
    _draw_outline(picture, inside, color)


def _enlarge(array: np.ndarray, factor: int) -> np.ndarray:
    return array if factor == 1 else array.repeat(factor, axis=0).repeat(factor, axis=1)


def _draw_outline(picture: Image.Image, mask: Mask, color: Color) -> None:
    """Draw in the box around the mask alone, which is smaller than a photograph."""
    width = max(1, round(min(mask.shape) / 256))
    box = box_around(mask, width)
    outline = dilated(mask[box], width) & ~eroded(mask[box])
    if outline.size:
        picture.paste(color, (box[1].start, box[0].start), Image.fromarray(outline))


def _add_caption(picture: np.ndarray, caption: str, color: Color | None = None) -> np.ndarray:
    """Write a caption below a picture; a color is shown by a square in front of it."""
    left = _MARGIN if color is None else _LINE_HEIGHT + _MARGIN
    lines = _wrap(caption, picture.shape[1] - left - _MARGIN)
    if not lines:
        return picture
    strip = Image.new("RGB", (picture.shape[1], len(lines) * _LINE_HEIGHT + 2 * _MARGIN), _BACKGROUND)
    draw = ImageDraw.Draw(strip)
    if color is not None:
        draw.rectangle((_MARGIN, _MARGIN + 2, _LINE_HEIGHT - 1, _LINE_HEIGHT), fill=color)
    for number, line in enumerate(lines):
        draw.text((left, _MARGIN + number * _LINE_HEIGHT), line, fill=(240, 240, 240))
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
