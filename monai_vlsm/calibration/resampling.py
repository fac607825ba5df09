"""Bootstrap of what is fitted: a fit is repeated on cases drawn anew, whole patients at a time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.statistics.intervals import CONFIDENCE, Floats, numbered

RESAMPLES = 1000

Interval = list[float | None]


def draw_weights(groups: Sequence[Hashable], resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.intp]:
    """Return how often each resample holds each case: (resamples, cases).

    A resample draws as many groups as there are, with replacement, and takes all cases of each.
    """
    count, units = numbered(groups, len(groups))
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn[:, units]


def interval(draws: Floats, groups: Sequence[Hashable]) -> Interval:
    """Return the bounds of 95 % of what the resamples gave; none where all cases are of one group."""
    if len(set(groups)) < 2 or not len(draws):
        return [None, None]
    return [float(bound) for bound in np.percentile(draws, CONFIDENCE)]
