"""Logits of a case as counts in fine bins: all that temperature and thresholds need, in 32 kB for any image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.errors import DataError
from monai_vlsm.statistics.intervals import Floats

Counts = NDArray[np.int64]

_WIDTH = 0.01
_SIDE = 1000
"""Bins of the same width in asinh(logit): 0.01 wide about 0, 1 % of the logit far from it, up to 11,000."""

EDGES: Floats = np.sinh(_WIDTH * np.arange(-_SIDE, _SIDE + 1))
"""Logits that bound the bins, from the lowest; the one in the middle is 0."""
CENTERS: Floats = np.sinh(_WIDTH * (np.arange(-_SIDE, _SIDE) + 0.5))
"""Logits that stand for those in a bin."""

_AT_ONCE = 2**22
"""Pixels: logits of a volume would be copied several times otherwise."""


def count_logits(logits: NDArray[Any], label: NDArray[Any]) -> Counts:
    """Return how many pixels of background and of foreground have their logit in each bin: (2, bins).

    A bin holds its lower edge, not its upper one; what lies beyond all bins is counted in the first or last.

    Args:
        logits: of a case, any shape.
        label: 0 or 1, or bool; of the same shape.

    Raises:
        DataError: if a logit is not finite, or there are none.
    """
    values, truth = np.ravel(logits), np.ravel(label) > 0
    if not values.size or not np.isfinite(values).all():
        raise DataError("expected finite logits of at least one pixel: the network's weights are damaged; train anew.")
    counts = np.zeros(2 * 2 * _SIDE, dtype=np.int64)
    for start in range(0, values.size, _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        place = np.floor(np.arcsinh(part) / _WIDTH).astype(np.int64).clip(-_SIDE, _SIDE - 1) + _SIDE
        place += truth[start : start + _AT_ONCE] * (2 * _SIDE)
        counts += np.bincount(place, minlength=len(counts))
    return counts.reshape(2, -1)
