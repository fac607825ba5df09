"""Whether a score of each case says which masks are bad: what remains if the least certain ones are left to people."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.statistics.intervals import CONFIDENCE, RANKED_RESAMPLES, Floats, numbered, resampled
from monai_vlsm.statistics.ranking import Ranks, chance_above, mean_risks, ranks_of

BAD_DICE = 0.5
"""A mask with less is a bad one, which a score should find."""


def rank_cases(
    dice: Sequence[float],
    scores: Mapping[str, Sequence[float]],
    groups: Sequence[Hashable] | None = None,
    resamples: int = RANKED_RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare scores as detectors of bad masks; the risk of a case is 1 - Dice.

    Cases of which a value is undefined (NaN) are left out for all scores, and counted.

    Args:
        dice: of each case.
        scores: by name, higher is more certain; each is compared with the last one.
        groups: patient, sequence or image of each case: whole groups are drawn, the same ones for all scores.
        resamples: of the bootstrap.
        seed: of the draws.

    Returns:
        What can be written as JSON: ``cases``, ``left_out``, ``bad`` (cases with a Dice below ``BAD_DICE``),
        ``area_at_random`` and ``least_area`` (of the risk-coverage curve, by no order and by the best), and by name
        ``area`` and ``auroc`` (of finding bad masks; None where there are none, or only such), each with ``_ci95``,
        and under ``less_last`` the same of the differences from the last score.
    """
    table = np.stack([np.asarray(values, dtype=float) for values in (dice, *scores.values())])
    kept = np.isfinite(table).all(axis=0)
    risk, ranks = 1 - table[0, kept], np.stack([ranks_of(-values) for values in table[1:, kept]])
    _, units = numbered(groups, len(kept))
    result = {"cases": len(risk), "left_out": len(kept) - len(risk), "bad": int(_is_bad(risk).sum())}
    if not len(risk):
        return result
    measured = _measure(risk, ranks)
    drawn = [_measure(risk[at], ranks[:, at]) for at in resampled(units[kept], resamples, seed)]
    draws = np.array(drawn).reshape(-1, *measured.shape)
    return {
        **result,
        "area_at_random": float(risk.mean()),
        "least_area": float(mean_risks(risk, ranks_of(risk)).mean()),
        "scores": {
            name: {
                **_told(measured[at], draws[:, at]),
                "less_last": _told(measured[at] - measured[-1], draws[:, at] - draws[:, -1]),
            }
            for at, name in enumerate(scores)
        },
    }


def _measure(risk: Floats, ranks: Ranks) -> Floats:
    """Return area and AUROC, or NaN, of each score: (scores, 2)."""
    bad = _is_bad(risk)
    found = 0 < bad.sum() < len(bad)
    return np.array([(mean_risks(risk, own).mean(), chance_above(own, bad) if found else np.nan) for own in ranks])


def _told(measured: Floats, draws: Floats) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value, column in zip(("area", "auroc"), measured, draws.T, strict=True):
        known = column[np.isfinite(column)]
        result[name] = float(value) if np.isfinite(value) else None
        bounds = np.percentile(known, CONFIDENCE).tolist() if len(known) and np.isfinite(value) else [None, None]
        result[f"{name}_ci95"] = bounds
    return result


def _is_bad(risk: Floats) -> NDArray[np.bool_]:
    return risk > 1 - BAD_DICE
