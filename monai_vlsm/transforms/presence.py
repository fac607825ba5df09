"""How strongly a network sees what a prompt names: one number per image, from the logits of its mask."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_vlsm.transforms.prompt import PROMPT

PRESENCE = "presence"
"""Key of the presence, from 0 to 1."""
MIN_PRESENCE = "min_presence"
"""Key of a request that brings its own least presence."""
EMPTIED = "emptied"
"""Key that says whether a mask was emptied."""

_logger = logging.getLogger("monai_vlsm")

SHARE = 0.003
"""Of the pixels; the more, the less is seen of small things, see docs/absent.md."""
MOST = 512
"""Rows and columns that are looked at: logits are interpolated from fewer, so that more would say the same again."""


def presence_score(logits: torch.Tensor, share: float = SHARE) -> float:
    """Return the mean of the highest 0.3 % of the logits; of a volume that of the slice where it is largest.

    The whole mask follows single pixels too easily, and the mean over an image is the size of the object.

    Args:
        logits: (W, H), (1, W, H) or, with ``D`` slices, (1, W, H, D), of any type.
        share: of the pixels that count, another than 0.3 %.

    Raises:
        ValueError: if there is no pixel, or more than one channel.
    """
    slices = logits.as_subclass(torch.Tensor)
    slices = slices[0] if slices.ndim == 4 else slices.reshape(*slices.shape[-2:], 1)
    steps = [max(1, size // MOST) for size in slices.shape[:2]]
    pixels = slices[:: steps[0], :: steps[1]].reshape(-1, slices.shape[-1]).float()
    if not pixels.numel():
        raise ValueError(f"logits must have pixels, got the shape {tuple(logits.shape)}")
    highest = pixels.topk(max(1, round(share * len(pixels))), dim=0).values
    return float(highest.mean(dim=0).max())


class ScorePresenced(MapTransform):
    """Add how likely it is that what the prompt names is there, from 0 to 1, under the key ``presence``.

    Args:
        keys: of the logits (1, W, H[, D]) of an image; of several, the last one counts.
        probability: of a :func:`presence_score`, such as :meth:`.Calibration.presence`.
    """

    def __init__(self, keys: KeysCollection, probability: Callable[[float], float]) -> None:
        super().__init__(keys)
        self.probability = probability

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the presence to ``data``."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[PRESENCE] = self.probability(presence_score(result[key]))
        return result


class EmptyAbsentd(MapTransform):
    """Empty masks of what is not there, with a warning that names image, prompt and presence.

    Sets ``emptied`` to whether that was done.

    Args:
        keys: of the masks, which are changed in place.
        min_presence: below which a mask is emptied, where a request brings no number of its own; 0 empties none.
    """

    def __init__(self, keys: KeysCollection, min_presence: float) -> None:
        super().__init__(keys)
        self.min_presence = min_presence

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read ``presence``, and ``min_presence`` if it is there and not None."""
        result = dict(data)
        asked = result.get(MIN_PRESENCE)
        least = self.min_presence if asked is None else asked
        result[EMPTIED] = result[PRESENCE] < least
        if result[EMPTIED]:
            for key in self.key_iterator(result):
                meta = getattr(result[key], "meta", {})
                warn_emptied(str(meta.get("filename_or_obj")), str(meta.get(PROMPT)), result[PRESENCE], least)
                result[key].zero_()
        return result


def warn_emptied(image: str, prompt: str, presence: float, least: float) -> None:
    """Say that a mask was emptied, and how to keep it."""
    _logger.warning(
        f"{image}: {prompt!r} is probably not there (presence {presence:.3f}, below {least:.3f}), so its mask is "
        "empty. min_presence 0 keeps masks as they are."
    )
