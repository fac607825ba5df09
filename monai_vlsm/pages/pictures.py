"""Pictures of a page: inside it, encoded anew, so that nothing of a file but its pixels gets in; or beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monai_vlsm.data.pictures import MORE_THAN_8_BITS, open_picture, rgb_values
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.pages.markup import Markup, element

MOST_PIXELS = 768
"""Along the longer side; larger pictures are made smaller."""

_QUALITY = 88


@dataclass(frozen=True)
class Picture:
    """A picture with its words.

    Args:
        pixels: (H, W, 3) or (H, W) uint8, or the path of a PNG, JPEG, ... file.
        alt: what it shows, for those who cannot see it.
        caption: written below.
    """

    pixels: NDArray[np.uint8] | str | Path
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class PictureFile:
    """A picture in a file beside the page, which is loaded when a reader comes near it.

    Args:
        file: path below the folder of the page, with forward slashes.
        alt: what it shows, for those who cannot see it.
        caption: text or markup, written below.
    """

    file: str
    alt: str
    caption: str = ""


def picture_row(pictures: Sequence[Picture | PictureFile]) -> Markup:
    """Return pictures beside each other, in as many rows as the screen needs.

    Raises:
        MissingFileError: if the file of one is not there.
        DataError: if a file is no picture, or an array has another shape or type.
    """
    return element("div", *map(_figure, pictures), class_="pictures")


def data_uri(pixels: NDArray[np.uint8] | str | Path) -> Markup:
    """Return a picture as an address that holds it: a JPEG of at most ``MOST_PIXELS`` along its longer side."""
    image = Image.fromarray(_checked(pixels) if isinstance(pixels, np.ndarray) else _read(Path(pixels)))
    image.thumbnail((MOST_PIXELS, MOST_PIXELS))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_QUALITY, subsampling=0)
    return Markup(f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}")


def _figure(picture: Picture | PictureFile) -> Markup:
    if isinstance(picture, PictureFile):
        address = quote(picture.file.encode("utf-8", "surrogateescape"))
        image = element("img", src=Markup(address), alt=picture.alt, loading="lazy", class_="file")
    else:
        image = element("img", src=data_uri(picture.pixels), alt=picture.alt)
    return element("figure", image, element("figcaption", picture.caption) if picture.caption else "")


def _checked(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise DataError(f"a picture must be (H, W, 3) or (H, W) uint8, not {pixels.shape} {pixels.dtype}.")
    if 0 in pixels.shape:
        raise DataError(f"a picture must have pixels, not the shape {pixels.shape}.")
    return pixels


def _read(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        raise MissingFileError(f"there is no picture {str(path.absolute())!r}.")
    try:
        with open_picture(path) as image:
            if image.mode in MORE_THAN_8_BITS:
                raise DataError("it has more than 8 bits per value")
            return rgb_values(image)
    except DataError as error:
        raise DataError(f"the picture {str(path)!r} cannot be shown: {error}.") from error
