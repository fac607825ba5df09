"""Pictures for the screen: opened by the formats their suffixes stand for, turned as a person sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from monai_vlsm.data.names import PIL_FORMATS
from monai_vlsm.errors import DataError
from monai_vlsm.transforms.limits import refuse_oversized

MORE_THAN_8_BITS = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""PIL's names of pictures with more than 8 bits per value."""

_ROWS = 256
"""Rows that are converted at a time, so that a large picture is not held twice."""

_ONE_AT_A_TIME = Lock()


@contextmanager
def open_picture(path: str | Path) -> Iterator[Image.Image]:
    """Open the only picture of a file, turned as its EXIF data says.

    Raises:
        DataError: if the file holds several pictures, or more pixels than :mod:`monai_vlsm.transforms.limits` allows.
        OSError: if it cannot be decoded, or is of another format. PIL would hand PostScript to Ghostscript.
    """
    with _open(path) as image:
        refuse_oversized(image.size)
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise DataError(f"it holds {frames} pictures, one is expected: save them as files of their own")
        ImageOps.exif_transpose(image, in_place=True)
        yield image


def _open(path: str | Path) -> Image.Image:
    with _ONE_AT_A_TIME:
        # PIL has a limit of its own, which is global and knows nothing of ours.
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=PIL_FORMATS)
        except UnidentifiedImageError as error:
            raise DataError(f"it is no picture of the formats {', '.join(PIL_FORMATS)}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def rgb_values(image: Image.Image) -> np.ndarray:
    """Return (H, W, 3) uint8 as a viewer shows it, or (H, W) of pictures with more than 8 bits; no transparency.

    PIL itself reads the upper 8 bits of pictures that have 16 bits in each of three channels.
    """
    if image.mode in MORE_THAN_8_BITS:
        return _in_strips(image, np.asarray)
    return _in_strips(image, lambda strip: np.asarray(strip.convert("RGB")))


def mask_values(image: Image.Image) -> np.ndarray:
    """Return (H, W) bool.

    Indexed colors count by their index (0 is background), pictures by their brightest channel: values of 0 and 1, or
    more than half of the range. A mask whose brightest value is below half of the range is refused: thresholding would
    empty it.
    """
    if image.mode == "P":
        return _in_strips(image, lambda strip: np.asarray(strip) > 0)
    values = brightest_values(image)
    brightest = values.max()
    full_range = 1 if brightest <= 1 else 255 if brightest <= 255 else 65535
    if 0 < brightest <= full_range / 2:
        raise DataError(f"its brightest value is {brightest}, expected is a mask of 0 and 1, or of 0 and {full_range}")
    return values > full_range / 2


def brightest_values(image: Image.Image) -> np.ndarray:
    """Return (H, W): the brightest channel of each pixel."""
    if image.mode in MORE_THAN_8_BITS:
        return _in_strips(image, np.asarray)
    return _in_strips(image, lambda strip: np.asarray(strip.convert("RGB")).max(axis=-1))


def label_values(image: Image.Image, any_color: bool = False) -> np.ndarray:
    """Return (H, W), one value per pixel as stored: gray values, or the indices of indexed colors.

    Args:
        image: as :func:`open_picture` gives it.
        any_color: take the brightest channel of color pictures, instead of refusing them.
    """
    if image.mode == "P":
        return _in_strips(image, np.asarray)
    if not any_color and image.mode not in MORE_THAN_8_BITS and _is_colored(image):
        raise DataError("it is a color picture, expected is one value per pixel: save it as gray or indexed")
    values = brightest_values(image)
    return values > 0 if image.mode == "1" else values


def _is_colored(image: Image.Image) -> bool:
    colored = _in_strips(
        image, lambda strip: np.ptp(np.asarray(strip.convert("RGB")), axis=-1).any(axis=-1, keepdims=True)
    )
    return bool(colored.any())


def _in_strips(image: Image.Image, convert: Callable[[Image.Image], np.ndarray]) -> np.ndarray:
    """Convert a picture a few rows at a time, into one array."""
    width, height = image.size
    result: np.ndarray | None = None
    for top in range(0, height, _ROWS):
        strip = convert(image.crop((0, top, width, min(top + _ROWS, height))))
        if result is None:
            result = np.empty((height, *strip.shape[1:]), strip.dtype)
        result[top : top + len(strip)] = strip
    if result is None:
        raise DataError(f"it is {width} x {height} pixels large")
    return result
