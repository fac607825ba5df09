"""Masks with the values they hold in their files, for label maps of several classes and for checks."""

from __future__ import annotations

from functools import partial

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor

from monai_vlsm.data.pictures import label_values
from monai_vlsm.errors import DataError
from monai_vlsm.transforms.load import LoadFiled, name_of


class LoadLabelMapd(LoadFiled):
    """Load label maps of any format; each key becomes a MetaTensor (1, W, H[, D]) float32 of the values as stored.

    Args:
        any_color: take the brightest channel of color pictures, instead of refusing them.

    Raises:
        MissingFileError: if a file does not exist.
        DataError: if a file is damaged, holds NaN, or has several channels; the message names it.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False, any_color: bool = False) -> None:
        super().__init__(keys, partial(label_values, any_color=any_color), allow_missing_keys)

    def finish(self, loaded: MetaTensor) -> torch.Tensor:
        """Refuse several channels."""
        if loaded.shape[0] != 1:
            raise DataError(f"the mask {name_of(loaded)!r} has {loaded.shape[0]} channels, expected is one.")
        return loaded.float()
