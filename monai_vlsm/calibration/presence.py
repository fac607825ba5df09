"""Whether a target is there at all: a score turned into a probability, and a cut that keeps most of what is there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from monai_vlsm.calibration.histograms import Floats
from monai_vlsm.calibration.resampling import RESAMPLES, draw_weights, interval
from monai_vlsm.statistics import auroc, false_positive_rate, highest_cut

FEWEST = 5
"""Cases of each kind from which on numbers are given at all."""


def fit_presence(
    scores: Sequence[float],
    present: Sequence[bool],
    groups: Sequence[Hashable],
    sensitivity: float,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Return ``a`` and ``b`` of ``sigmoid(a * score + b)``, and the probability below which a mask is to be empty.

    Args:
        scores: of each case, see :func:`.presence_score`.
        present: whether the target is there.
        groups: patient or image of each case, for the intervals.
        sensitivity: share of the cases with the target that are to be kept.
        resamples: of the bootstrap.

    Returns:
        ``{"a", "b", "threshold", "sensitivity", "auroc", "false_positive_rate", "present", "absent", "ci95": {...}}``;
        or ``{"missing": reason}`` where there are too few cases of a kind, or the score says nothing.
    """
    numbers, truth = np.asarray(scores, dtype=float), np.asarray(present, dtype=bool)
    kinds = {"with the target": int(truth.sum()), "without it": int((~truth).sum())}
    for kind, count in kinds.items():
        if count < FEWEST:
            return {"missing": f"there are {count} cases {kind}, and {FEWEST} are needed"}
    found = _fit(numbers, truth, sensitivity)
    if found["a"] <= 0:
        return {"missing": f"the score does not tell present from absent targets (AUROC {found['auroc']:.3f})"}
    drawn = (np.repeat(np.arange(len(truth)), weights) for weights in draw_weights(groups, resamples))
    draws = [_fit(numbers[cases], truth[cases], sensitivity) for cases in drawn if 0 < truth[cases].sum() < len(cases)]
    ci95 = {name: interval(np.array([draw[name] for draw in draws]), groups) for name in found}
    counted = {"sensitivity": sensitivity, "present": kinds["with the target"], "absent": kinds["without it"]}
    return {**found, **counted, "ci95": ci95}


def fit_platt(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float, float]:
    """Return ``a`` and ``b`` that make ``sigmoid(a * score + b)`` most likely, with targets smoothed as Platt did.

    Instead of 1 and 0 the targets are (P + 1) / (P + 2) and 1 / (N + 2) for P positive and N negative cases, so that
    cases that a threshold separates fully do not give an infinite slope (Platt, "Probabilistic outputs for support
    vector machines", 1999, section 2.2).
    """
    positives = int(positive.sum())
    targets = np.where(positive, (positives + 1) / (positives + 2), 1 / (len(positive) - positives + 2))
    center, spread = float(scores.mean()), float(scores.std()) or 1.0
    scaled = np.stack([(scores - center) / spread, np.ones_like(scores)])

    def nll(weights: Floats) -> tuple[float, Floats]:
        logits = weights @ scaled
        value = np.logaddexp(0, logits).mean() - (targets * logits).mean()
        return float(value), scaled @ (expit(logits) - targets) / len(targets)

    slope, offset = minimize(nll, np.zeros(2), jac=True, method="L-BFGS-B").x
    return float(slope / spread), float(offset - slope * center / spread)


def _fit(scores: Floats, positive: NDArray[np.bool_], sensitivity: float) -> dict[str, float]:
    a, b = fit_platt(scores, positive)
    ranked = scores.tolist(), positive.tolist()
    return {
        "a": a,
        "b": b,
        "threshold": float(expit(a * highest_cut(*ranked, sensitivity) + b)),
        "auroc": auroc(*ranked),
        "false_positive_rate": false_positive_rate(*ranked, sensitivity),
    }
