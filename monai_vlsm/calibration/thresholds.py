"""Thresholds of a mask: the one of the best Dice, and the largest that misses no more than was agreed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from monai_vlsm.calibration.histograms import EDGES, Counts, Floats
from monai_vlsm.calibration.resampling import RESAMPLES, Interval, draw_weights, interval
from monai_vlsm.statistics import summarize
from monai_vlsm.statistics.intervals import numbered

_FARTHEST = 16.0
"""Logits after the temperature; single precision can hardly tell their probability, 1 less 1e-7, from 1."""


def fit_thresholds(
    counts: Counts, groups: Sequence[Hashable], temperature: float, alpha: float, resamples: int = RESAMPLES
) -> dict[str, dict[str, Any]]:
    """Return the parts ``threshold`` and ``risk_control`` of a calibration; thresholds are of calibrated probabilities.

    Args:
        counts: (cases, 2, bins) as :func:`.count_logits` gives them, with the target in each.
        groups: patient or image of each case.
        temperature: of the calibrated probabilities.
        alpha: share of the target's pixels that may be missed, in the mean.
        resamples: of the bootstrap.
    """
    chosen = np.flatnonzero(np.abs(EDGES) <= _FARTHEST * temperature)
    logits, (dice, missed) = EDGES[chosen], (curve[:, chosen] for curve in dice_and_missed(counts))
    probabilities = expit(logits / temperature)
    # Of several that are equally good, the one nearest to one half comes first.
    order = np.argsort(np.abs(logits), kind="stable")
    best, half = order[np.argmax(dice[:, order].mean(axis=0))], order[0]
    draws = probabilities[order[np.argmax(draw_weights(groups, resamples) @ dice[:, order], axis=1)]]
    means, ci95 = _means({"dice": dice[:, best], "dice_at_half": dice[:, half]}, groups)
    threshold = {
        "best_dice": float(probabilities[best]),
        **means,
        "ci95": {"best_dice": interval(draws, groups), **ci95},
    }
    return {"threshold": threshold, "risk_control": _controlled(probabilities, dice, missed, groups, alpha)}


def dice_and_missed(counts: Counts) -> tuple[Floats, Floats]:
    """Return the Dice, and the share of the target's pixels that are missed, of each case at each of ``EDGES``."""
    above = np.zeros((*counts.shape[:2], len(EDGES)))
    above[..., :-1] = counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
    hit, target = above[:, 1], above[:, 1, :1]
    return 2 * hit / (above.sum(axis=1) + target), 1 - hit / target


def mean_by_group(curves: Floats, groups: Sequence[Hashable]) -> Floats:
    """Return the mean curve of each group: (groups, places) of (cases, places)."""
    count, units = numbered(groups, len(curves))
    return np.stack([curves[units == unit].mean(axis=0) for unit in range(count)])


def control_risk(losses: Floats, alpha: float) -> int | None:
    """Return the last place whose expected loss in a new unit is at most ``alpha``, or None (conformal risk control).

    With ``n`` units, that is the last place at which ``(sum of the losses + 1) / (n + 1) <= alpha``; the expectation
    holds if the new unit is exchangeable with these (Angelopoulos et al., ICLR 2024, arXiv 2208.02814, equation 4).

    Args:
        losses: (units, places) in [0, 1]; no loss of a unit falls from a place to the next.
        alpha: in (0, 1).
    """
    allowed = (losses.sum(axis=0) + 1) / (len(losses) + 1) <= alpha + 1e-12
    return int(np.flatnonzero(allowed)[-1]) if allowed.any() else None


def _controlled(
    probabilities: Floats, dice: Floats, missed: Floats, groups: Sequence[Hashable], alpha: float
) -> dict[str, Any]:
    per_unit = mean_by_group(missed, groups)
    needed = int(np.ceil(1 / alpha - 1 - 1e-9))
    if len(per_unit) < needed:
        return {
            "missing": f"a missed share of at most {alpha:g} takes {needed} patients, or images where no patients are "
            f"named, that show the target; there are {len(per_unit)}"
        }
    place = control_risk(per_unit, alpha)
    if place is None:
        return {"missing": f"a mask of nearly the whole image would still miss a share of more than {alpha:g}"}
    means, ci95 = _means({"missed": missed[:, place], "dice": dice[:, place]}, groups)
    return {"alpha": alpha, "n": len(per_unit), "threshold": float(probabilities[place]), **means, "ci95": ci95}


def _means(values: Mapping[str, Floats], groups: Sequence[Hashable]) -> tuple[dict[str, float], dict[str, Interval]]:
    found = {name: summarize(numbers.tolist(), list(groups)) for name, numbers in values.items()}
    return {name: one["mean"] for name, one in found.items()}, {name: one["ci95"] for name, one in found.items()}
