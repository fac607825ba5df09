"""Masks with the values they hold in their files, for label maps of several classes and for checks."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from monai.config import KeysCollection
from PIL import Image

from monai_vlsm.errors import DataError
from monai_vlsm.transforms.load import SIXTEEN_BIT_OR_MORE, LoadFiled, keep_format, single_picture


def raster_to_label_map(image: Image.Image, any_colour: bool = False) -> Image.Image:
    """Return ``image`` with one value per pixel, as stored: grey values, or the indices of indexed colours.

    Args:
        image: as PIL opened it.
        any_colour: take the brightest channel of colour pictures, instead of refusing them.
    """
    image = single_picture(image)
    if image.mode == "P":
        values = np.array(image)
    elif image.mode in SIXTEEN_BIT_OR_MORE:
        values = np.array(image, dtype=np.float32)
    else:
        channels = np.array(image.convert("RGB"))
        if not any_colour and (channels != channels[..., :1]).any():
            raise DataError("it is a colour picture, expected is one value per pixel: save it as grey or indexed")
        values = channels.max(axis=-1)
        values = values > 0 if image.mode == "1" else values
    return keep_format(Image.fromarray(values), image)


class LoadLabelMapd(LoadFiled):
    """Load label maps of any format; each key becomes a MetaTensor (1, W, H[, D]) float32 of the values as stored.

    Args:
        any_colour: take the brightest channel of color images, instead of refusing them.

    Raises:
        MissingFileError: if a file does not exist.
        DataError: if a file is damaged, holds NaN, or has several channels; the message names it.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False, any_colour: bool = False) -> None:
        super().__init__(keys, partial(raster_to_label_map, any_colour=any_colour), allow_missing_keys)

    def finish(self, loaded: Any) -> Any:
        """Refuse several channels."""
        if loaded.shape[0] != 1:
            name = loaded.meta["filename_or_obj"]
            raise DataError(f"the mask {str(name)!r} has {loaded.shape[0]} channels, expected is one.")
        return loaded
