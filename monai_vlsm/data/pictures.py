"""Pictures for the screen: opened by the formats we know, turned as a person sees them; no torch in here."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from monai_vlsm.data.limits import refuse_oversized
from monai_vlsm.data.masks import Mask, foreground
from monai_vlsm.data.names import PIL_FORMATS
from monai_vlsm.errors import DataError

MORE_THAN_8_BITS = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's names of pictures with more than 8 bits per value."""

_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, EOFError)
"""What Pillow's readers raise on damaged files."""

_ROWS = 256
"""Rows that are converted at a time, so that a large picture is not held twice."""

_ONE_AT_A_TIME = Lock()


@contextmanager
def open_picture(path: str | Path) -> Iterator[Image.Image]:
    """Open the only picture of a file, turned as its EXIF data says; its ``format`` says what the file is.

    Raises:
        DataError: if the file is damaged, of another format than ``PIL_FORMATS`` (whatever its name says), holds
            several pictures, or more pixels than :mod:`monai_vlsm.data.limits` allows.
    """
    try:
        with _open(path) as image:
            refuse_oversized(image.size)
            _require_single(image)
            ImageOps.exif_transpose(image, in_place=True)
            yield image
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"it is no picture of the formats {', '.join(PIL_FORMATS)}, whatever its name says") from error
    except (*_BROKEN, struct.error) as error:
        raise DataError(f"it is damaged: {error}") from error


def rgb_values(image: Image.Image) -> NDArray[Any]:
    """Return (H, W, 3) uint8 as a viewer shows it, or (H, W) of pictures with more than 8 bits; no transparency.

    Pillow itself reads the upper 8 bits of pictures that have 16 bits in each of three channels.
    """
    if image.mode in MORE_THAN_8_BITS:
        return _in_strips(image, np.asarray)
    return _in_strips(image, lambda strip: np.asarray(strip.convert("RGB")))


def mask_values(image: Image.Image) -> Mask:
    """Return where a mask shows its object, (H, W) bool.

    Indexed colors count by their index (0 is background), all others by their brightest channel.

    Raises:
        DataError: as :func:`monai_vlsm.data.masks.foreground` does.
    """
    if image.mode == "P":
        return _in_strips(image, lambda strip: foreground(np.asarray(strip), above_zero=True))
    return foreground(brightest_values(image), lossy=image.format in ("JPEG", "MPO"))


def brightest_values(image: Image.Image) -> NDArray[Any]:
    """Return (H, W): the brightest channel of each pixel."""
    if image.mode in (*MORE_THAN_8_BITS, "L"):
        return _in_strips(image, np.asarray)
    # By channel: along an axis of three, NumPy's maximum takes many times as long.
    return _in_strips(image, lambda strip: reduce(np.maximum, np.moveaxis(np.asarray(strip.convert("RGB")), -1, 0)))


def label_values(image: Image.Image, any_color: bool = False) -> NDArray[Any]:
    """Return (H, W), one value per pixel as stored: gray values, or the indices of indexed colors.

    Args:
        image: as :func:`open_picture` gives it.
        any_color: take the brightest channel of color pictures, instead of refusing them.

    Raises:
        DataError: if it is a color picture.
    """
    if image.mode == "P":
        return _in_strips(image, np.asarray)
    if not any_color and image.mode not in MORE_THAN_8_BITS and _is_colored(image):
        raise DataError("it is a color picture, expected is one value per pixel: save it as gray or indexed")
    values = brightest_values(image)
    return values > 0 if image.mode == "1" else values


def write_mask(mask: Mask, path: str | Path) -> None:
    """Write a mask (H, W) as a gray PNG of 0 and 255.

    Pillow tries five filters on every row, which takes longer than all else. Rows of few runs need none of them.
    """
    height, width = mask.shape
    rows = np.zeros((height, 1 + width), np.uint8)  # each row begins with its filter, 0
    np.multiply(mask.view(np.uint8), 255, out=rows[:, 1:])
    coder = zlib.compressobj(1, strategy=zlib.Z_RLE)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0),
        b"IDAT": coder.compress(rows.tobytes()) + coder.flush(),
        b"IEND": b"",
    }
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, content in parts.items():
            file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content)))


def is_blank(path: str | Path) -> bool:
    """Tell whether all pixels of a picture are 0."""
    with open_picture(path) as picture:
        return picture.getbbox() is None


def digest_of_pixels(pixels: NDArray[Any]) -> str:
    """Return a checksum that equal pictures share, whatever their files are: the format, metadata, or gray as RGB.

    Args:
        pixels: (H, W[, D], C) uint8, C being 1 or 3.
    """
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _open(path: str | Path) -> Image.Image:
    with _ONE_AT_A_TIME:
        # Pillow has a limit of its own, which is global and knows nothing of ours.
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(path, formats=PIL_FORMATS)
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _require_single(image: Image.Image) -> None:
    """Refuse several pictures; those of a camera's JPEG (MPO) are previews of the first one, which no viewer shows."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise DataError(f"it holds {frames} pictures, one is expected: save them as files of their own")


def _is_colored(image: Image.Image) -> bool:
    colored = _in_strips(
        image, lambda strip: np.ptp(np.asarray(strip.convert("RGB")), axis=-1).any(axis=-1, keepdims=True)
    )
    return bool(colored.any())


def _in_strips(image: Image.Image, convert: Callable[[Image.Image], NDArray[Any]]) -> NDArray[Any]:
    """Convert a picture a few rows at a time, into one array."""
    width, height = image.size
    result: NDArray[Any] | None = None
    for top in range(0, height, _ROWS):
        strip = convert(image.crop((0, top, width, min(top + _ROWS, height))))
        if result is None:
            result = np.empty((height, *strip.shape[1:]), strip.dtype)
        result[top : top + len(strip)] = strip
    if result is None:
        raise DataError(f"it is {width} x {height} pixels large")
    return result
