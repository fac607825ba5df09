"""From what the network gives to masks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from scipy.special import logit

from monai_vlsm.errors import DataError

LOGITS = "logits"
"""Key under which the logits stay."""


class LogitsToMaskd(MapTransform):
    """Turn logits of any shape, of one image or a batch, into 0 and 1; the logits themselves go to the key ``logits``.

    In place of a sigmoid and MONAI's ``AsDiscreted``: a comparison with the logit of the threshold is the same, and
    half of the work. Nothing is copied but the mask.

    Args:
        keys: of the logits; of several, those of the last one are kept.
        threshold: probability in [0, 1] from which on a pixel is mask.

    Raises:
        DataError: if the threshold is a word: a training has no calibration that it could stand for.
    """

    def __init__(self, keys: KeysCollection, threshold: float, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if isinstance(threshold, str):
            raise DataError(f"a training has no calibration yet: 'threshold' must be a number, not {threshold!r}.")
        self.threshold = threshold

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the logits in ``data``."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[LOGITS] = result[key].detach()
            mask = torch.empty_like(result[LOGITS])
            result[key] = torch.ge(result[LOGITS], float(logit(self.threshold)), out=mask)
        return result
