"""How sure a network was of a case, from the metadata of its logits to the output of an engine."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

AGREEMENT = "agreement"
"""Mean Dice of the masks of all pairs of wordings of a prompt; two empty masks count 1."""
MEAN_PROBABILITY = "mean_probability"
"""Of the pixels in the mask; where it is empty, 1 less the largest probability of any pixel."""
LOOK = "look"
"""Whether somebody should look at the mask."""


class CaseScoresd(MapTransform):
    """Bring ``agreement`` and ``mean_probability`` from the metadata of logits into the data, and add ``look``.

    :class:`.PromptInferer` writes them there. What is not there is left out, an agreement that is not defined, too.

    Args:
        keys: of the logits of one image; of several, the last one that has scores counts.
        look_below: mean probability below which ``look`` is true. It finds bad masks better than the agreement does,
            see ``docs/agreement.md``.
    """

    def __init__(self, keys: KeysCollection, look_below: float, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.look_below = look_below

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the scores to ``data``: floats in [0, 1], and a bool."""
        result = dict(data)
        for key in self.key_iterator(result):
            meta = getattr(result[key], "meta", {})
            found = {name: float(meta[name]) for name in (AGREEMENT, MEAN_PROBABILITY) if name in meta}
            result |= {name: score for name, score in found.items() if not math.isnan(score)}
            if MEAN_PROBABILITY in found:
                result[LOOK] = found[MEAN_PROBABILITY] < self.look_below
        return result
