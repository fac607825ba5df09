"""Two measurements of the same cases: how far apart, and whether that could be chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

from monai_vlsm.errors import DataError
from monai_vlsm.statistics.intervals import CONFIDENCE, RESAMPLES, Floats, group_means, numbered

_DECIMALS = 12
"""Differences are rounded to these: 0.8 - 0.6 is not 0.6 - 0.4 in floats."""


@dataclass(frozen=True)
class Paired:
    """What differs between two measurements of the same cases; None where it cannot be told.

    Args:
        cases: that are defined in both.
        groups: that these belong to.
        undefined: cases that are not defined in the first, and in the second.
        means: of both, over ``cases``.
        difference: of the means, second - first.
        ci95: its bootstrap interval.
        p_bootstrap: twice the share of resamples beyond 0, on the side that has fewer.
        p_wilcoxon: of the signed-rank test on the mean difference of each group.
        wins, ties, losses: cases where the second is better, equal, or worse.
    """

    cases: int
    groups: int
    undefined: tuple[int, int]
    means: tuple[float, float] | tuple[None, None]
    difference: float | None
    ci95: tuple[float, float] | tuple[None, None]
    p_bootstrap: float | None
    p_wilcoxon: float | None
    wins: int
    ties: int
    losses: int


def compare_paired(
    first: Sequence[float] | Floats,
    second: Sequence[float] | Floats,
    groups: Sequence[Hashable] | None = None,
    lower_is_better: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Paired:
    """Compare two measurements of the same cases; pairs of which one is undefined (NaN) are left out and counted.

    Args:
        first, second: a value per case, in the same order.
        groups: patient, sequence or image of each case, drawn and ranked as a whole; None takes each case for itself.
        lower_is_better: as for distances.
        resamples: of the bootstrap.
        seed: of its draws.
    """
    before, after = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if len(before) != len(after):
        raise DataError(f"expected two values for each case, got {len(before)} and {len(after)}: pair them.")
    _, units = numbered(groups, len(before))
    undefined = (int(np.isnan(before).sum()), int(np.isnan(after).sum()))
    both = ~(np.isnan(before) | np.isnan(after))
    before, after, units = before[both], after[both], np.unique(units[both], return_inverse=True)[1]
    if not len(before):
        return Paired(0, 0, undefined, (None, None), None, (None, None), None, None, 0, 0, 0)
    apart = (after - before).round(_DECIMALS)
    better = int(np.sum(apart < 0 if lower_is_better else apart > 0))
    ties = int(np.sum(apart == 0))
    low, high, p_bootstrap = _bootstrap(apart, units, resamples, seed) if units.max() else (None, None, None)
    return Paired(
        cases=len(apart),
        groups=int(units.max() + 1),
        undefined=undefined,
        means=(float(before.mean()), float(after.mean())),
        difference=float(apart.mean()),
        ci95=(None, None) if low is None or high is None else (low, high),
        p_bootstrap=p_bootstrap,
        p_wilcoxon=_wilcoxon(np.bincount(units, apart) / np.bincount(units)),
        wins=better,
        ties=ties,
        losses=len(apart) - better - ties,
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number (Holm, 1979); None stays None, and counts as no test."""
    tested = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for done, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - done)))
        corrected[place] = largest
    return corrected


def _bootstrap(apart: Floats, units: NDArray[np.intp], resamples: int, seed: int) -> tuple[float, float, float]:
    draws = group_means(apart, units, resamples, seed).round(_DECIMALS)
    low, high = np.percentile(draws, CONFIDENCE)
    beyond = min(np.sum(draws <= 0), np.sum(draws >= 0))
    return float(low), float(high), min(1.0, float(2 * (beyond + 1) / (resamples + 1)))


def _wilcoxon(apart: Floats) -> float:
    """Return the two-sided p-value; groups without a difference say nothing about its side and are left out."""
    unequal = apart.round(_DECIMALS)
    unequal = unequal[unequal != 0]
    return float(wilcoxon(unequal).pvalue) if len(unequal) else 1.0
