"""How well a score tells cases apart: present from absent targets, good from bad masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.errors import DataError
from monai_vlsm.statistics.intervals import Floats

Ranks = NDArray[np.intp]


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Return the chance that a positive case scores higher than a negative one; equal scores count half.

    Raises:
        DataError: if a score is not finite, or all cases are of one kind.
    """
    numbers, truth = _checked(scores, positive)
    return chance_above(ranks_of(numbers), truth)


def highest_cut(scores: Sequence[float], positive: Sequence[bool], sensitivity: float = 0.95) -> float:
    """Return the highest score that enough of the positive cases reach.

    Args:
        scores: higher is more likely positive.
        positive: which cases are.
        sensitivity: share of the positive cases that score at least the cut, in (0, 1].

    Raises:
        DataError: as :func:`auroc`, or if the sensitivity is none.
    """
    numbers, truth = _checked(scores, positive)
    if not 0 < sensitivity <= 1:
        raise DataError(f"expected a sensitivity above 0 and up to 1, got {sensitivity!r}: 0.95 is usual.")
    # 0.55 of 100 is a little more than 55 in floats.
    kept = math.ceil(sensitivity * truth.sum() - 1e-9)
    return float(np.sort(numbers[truth])[-kept])


def false_positive_rate(scores: Sequence[float], positive: Sequence[bool], sensitivity: float = 0.95) -> float:
    """Return the share of negative cases at or above :func:`highest_cut`, whose arguments these are."""
    cut = highest_cut(scores, positive, sensitivity)
    numbers, truth = _checked(scores, positive)
    return float((numbers[~truth] >= cut).mean())


def risk_coverage(risk: Sequence[float], score: Sequence[float]) -> tuple[Floats, Floats, float]:
    """Return how the mean risk grows from the most certain cases to all, and the area under that curve.

    Cases of equal score could come in any order: each counts with their mean risk.

    Args:
        risk: of each case, such as 1 - Dice.
        score: of each case, higher is more certain.

    Returns:
        ``coverage`` (N,), the share of cases kept, from 1/N to 1; ``mean risk`` (N,) of these; their mean, the area.

    Raises:
        DataError: if there is no case, or a risk or score is not finite.
    """
    risks, scores = np.asarray(risk, dtype=float), np.asarray(score, dtype=float)
    _require_finite(risks, len(scores), "risk")
    _require_finite(scores, len(risks), "score")
    mean_risk = mean_risks(risks, ranks_of(-scores))
    return np.arange(1, len(risks) + 1) / len(risks), mean_risk, float(mean_risk.mean())


def ranks_of(values: Floats) -> Ranks:
    """Return the place of each value (N,) among the different ones, from 0; drawn cases keep theirs."""
    return np.unique(values, return_inverse=True)[1]


def chance_above(ranks: Ranks, positive: NDArray[np.bool_]) -> float:
    """Return :func:`auroc` by ranks (N,), for cases of both kinds."""
    found = np.bincount(ranks[positive], minlength=ranks.max() + 1)
    others = np.bincount(ranks) - found
    below = np.cumsum(others) - others / 2
    return float(found @ below / (found.sum() * others.sum()))


def mean_risks(risk: Floats, ranks: Ranks) -> Floats:
    """Return the mean risk (N,) of :func:`risk_coverage` by ranks (N,) of how uncertain each case is."""
    tied = np.bincount(ranks)
    shared = np.bincount(ranks, risk) / np.maximum(tied, 1)
    return np.cumsum(np.repeat(shared, tied)) / np.arange(1, len(risk) + 1)


def _checked(scores: Sequence[float], positive: Sequence[bool]) -> tuple[Floats, NDArray[np.bool_]]:
    numbers, truth = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    _require_finite(numbers, len(truth), "score")
    if truth.all() or not truth.any():
        kind = "positive" if truth.all() else "negative"
        raise DataError(f"expected positive and negative cases, got {len(truth)} that are all {kind}: add the others.")
    return numbers, truth


def _require_finite(values: Floats, count: int, name: str) -> None:
    if not len(values) or len(values) != count:
        raise DataError(f"expected a {name} for each case and at least one, got {len(values)} for {count} cases.")
    if not np.isfinite(values).all():
        raise DataError(f"expected a finite {name} for each case, got {values[~np.isfinite(values)][0]}: leave it out.")
