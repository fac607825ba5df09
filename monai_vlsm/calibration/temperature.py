"""One temperature for all logits, by the likelihood of pixels (Guo et al., ICML 2017, arXiv 1706.04599)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from monai_vlsm.calibration.histograms import CENTERS, Counts, Floats
from monai_vlsm.calibration.resampling import RESAMPLES, draw_weights, interval

LOWEST, HIGHEST = 0.05, 20.0
_GRID: Floats = np.geomspace(LOWEST, HIGHEST, 2401)
"""Steps of a quarter of a percent, for the bootstrap; the temperature itself is found exactly."""


def fit_temperature(counts: Counts, groups: Sequence[Hashable], resamples: int = RESAMPLES) -> dict[str, Any]:
    """Return the temperature T > 0 that makes ``sigmoid(logit / T)`` most likely, with its interval.

    Each case counts the same, whatever its number of pixels.

    Args:
        counts: (cases, 2, bins) as :func:`.count_logits` gives them, with the target in each.
        groups: patient or image of each case, for the interval.
        resamples: of the bootstrap.

    Returns:
        ``{"value", "ci95": {"value"}}``; or ``{"missing": reason}`` where none of a sensible size is the best.
    """
    curves = pixel_nll(counts, _GRID)
    best = int(np.argmin(curves.mean(axis=0)))
    if best in (0, len(_GRID) - 1):
        return {
            "missing": f"the likelihood is best beyond the temperatures {LOWEST} to {HIGHEST}: the masks are right in "
            "almost all pixels, or wrong in more than half"
        }
    exact: Any = minimize_scalar(
        lambda log_t: pixel_nll(counts, np.exp([log_t])).mean(),
        bounds=tuple(np.log(_GRID[[best - 1, best + 1]])),
        method="bounded",
    )
    draws = _GRID[np.argmin(draw_weights(groups, resamples) @ curves, axis=1)]
    return {"value": float(np.exp(exact.x)), "ci95": {"value": interval(draws, groups)}}


def pixel_nll(counts: Counts, temperatures: Floats) -> Floats:
    """Return the mean over pixels of ``-log p(label)`` of each case at each temperature: (cases, temperatures)."""
    scaled = CENTERS[:, None] / temperatures
    background = np.logaddexp(0, scaled)
    pixels = counts.sum(axis=(1, 2))[:, None]
    # That of foreground, log(1 + exp(-x)), is x less.
    return (counts.sum(axis=1) @ background - counts[:, 1] @ scaled) / pixels
