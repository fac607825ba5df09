"""Open raster files that come from anywhere, as a viewer shows them; no torch in here."""

from __future__ import annotations

import hashlib
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from monai_vlsm.data.masks import Mask, foreground
from monai_vlsm.data.names import PIL_FORMATS
from monai_vlsm.errors import DataError

MORE_THAN_8_BITS = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's names of pictures with more than 8 bits."""

_BROKEN = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, EOFError)
"""What Pillow's readers raise on damaged files."""


def open_picture(path: Path) -> Image.Image:
    """Read a picture as a viewer shows it.

    Raises:
        DataError: if the file is damaged, of another format than ``PIL_FORMATS`` (whatever its name says), larger than
            Pillow's limit against decompression bombs, or holds several pictures.
    """
    try:
        with warnings.catch_warnings(), Image.open(path, formats=PIL_FORMATS) as image:
            warnings.simplefilter("ignore")
            image.load()
            return as_shown(image)
    except UnidentifiedImageError:
        known = ", ".join(PIL_FORMATS)
        raise DataError(f"its content is none of {known}, whatever its name says: export it as one of them") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"it is too large: {error}") from error
    except DataError:
        raise
    except (*_BROKEN, struct.error) as error:
        raise DataError(f"it is damaged: {error}") from error


def as_shown(image: Image.Image) -> Image.Image:
    """Return ``image`` turned as its EXIF data says; several pictures in one file are refused.

    The further pictures of a camera's JPEG (MPO) are previews of the first one, and no viewer shows them.
    """
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise DataError(f"it holds {frames} pictures, one is expected: save them as files of their own")
    turned = ImageOps.exif_transpose(image)
    turned.format = image.format  # which a copy loses
    return turned


def mask_of_picture(image: Image.Image) -> Mask:
    """Return where a mask shows its object, (H, W) bool.

    Indexed colors count by their index (0 is background), all others by their brightest channel.

    Args:
        image: as it was opened, so that its ``format`` tells whether it comes from a JPEG.

    Raises:
        DataError: as :func:`monai_vlsm.data.masks.foreground` does, or if it holds several pictures.
    """
    lossy = image.format in ("JPEG", "MPO")
    image = as_shown(image)
    if image.mode == "P":
        return foreground(np.array(image), above_zero=True)
    values = np.array(image if image.mode in MORE_THAN_8_BITS else image.convert("RGB"))
    return foreground(values.max(axis=-1) if values.ndim == 3 else values, lossy=lossy)


def digest_of_pixels(pixels: NDArray[Any]) -> str:
    """Return a checksum that equal pictures share, whatever their files are: the format, metadata, or gray as RGB.

    Args:
        pixels: (H, W[, D], C) uint8, C being 1 or 3.
    """
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
