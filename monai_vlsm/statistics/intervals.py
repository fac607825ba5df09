"""Means with bootstrap intervals; cases that belong together are drawn together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.errors import DataError

Floats = NDArray[np.float64]

RESAMPLES = 10_000
RANKED_RESAMPLES = 2000
"""Of what ranks all cases anew in each."""
CONFIDENCE = (2.5, 97.5)
"""Percentiles that bound an interval of 95 %."""

_AT_ONCE = 2**22
"""Numbers that are drawn at a time: a table of all resamples of thousands of images would take gigabytes."""


def summarize(
    values: Sequence[float], groups: Sequence[Hashable] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Return mean, standard deviation, median, 95 % bootstrap interval of the mean, and how many values count.

    Undefined values (NaN) are left out and counted; where none is defined, the numbers are None. So are the bounds
    where all values are of one group (or there is one value): what another one would give cannot be told from it.

    Args:
        values: one per case.
        groups: patient, sequence or image of each case: whole groups are drawn, and counted in the result.
        resamples: of the bootstrap.
        seed: of the draws.
    """
    numbers = np.asarray(values, dtype=float)
    defined = np.isfinite(numbers)
    kept = numbers[defined]
    counted: dict[str, Any] = {"images": len(kept), "undefined": len(numbers) - len(kept)}
    _, units = numbered(groups, len(numbers))
    units = np.unique(units[defined], return_inverse=True)[1]
    if groups is not None:
        counted["groups"] = int(units.max() + 1) if len(kept) else 0
    if not len(kept):
        return {"mean": None, "std": None, "median": None, "ci95": [None, None], **counted}
    draws = group_means(kept, units, resamples, seed)
    return {
        "mean": float(kept.mean()),
        "std": float(kept.std(ddof=1)) if len(kept) > 1 else 0.0,
        "median": float(np.median(kept)),
        "ci95": [float(bound) for bound in np.percentile(draws, CONFIDENCE)] if units.max() else [None, None],
        **counted,
    }


def group_means(
    values: Floats, groups: Sequence[Hashable] | NDArray[Any] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Floats:
    """Return the mean of ``values`` in each bootstrap resample: (resamples,).

    A resample draws as many groups as there are, with replacement, and takes all values of each.

    Args:
        values: (N,), finite.
        groups: of each value; None takes each value for itself.
        resamples: to draw.
        seed: of the draws.
    """
    count, units = numbered(groups, len(values))
    sums, sizes = np.bincount(units, values, count), np.bincount(units, minlength=count)
    rng = np.random.default_rng(seed)
    rows = max(1, _AT_ONCE // count)
    means = []
    for start in range(0, resamples, rows):
        drawn = rng.integers(0, count, size=(min(rows, resamples - start), count))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)


def numbered(groups: Sequence[Hashable] | NDArray[Any] | None, values: int) -> tuple[int, NDArray[np.intp]]:
    """Return how many groups there are, and the number of that of each value."""
    if groups is None:
        return values, np.arange(values)
    if len(groups) != values:
        raise DataError(f"expected a group for each of {values} values, got {len(groups)}: name one per value.")
    known: dict[Hashable, int] = {}
    units = np.array([known.setdefault(group, len(known)) for group in groups], dtype=np.intp)
    return len(known), units


def resampled(units: NDArray[np.intp], resamples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """Yield the places of the cases in each resample of whole groups; none where there is one group only."""
    members = [np.flatnonzero(units == unit) for unit in np.unique(units)]
    rng = np.random.default_rng(seed)
    for _ in range(resamples if len(members) > 1 else 0):
        yield np.concatenate([members[unit] for unit in rng.integers(0, len(members), len(members))])
