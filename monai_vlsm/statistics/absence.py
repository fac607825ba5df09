"""How well cases whose target is absent are told from those where it is there."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.statistics.intervals import CONFIDENCE, RANKED_RESAMPLES, Floats, numbered, resampled
from monai_vlsm.statistics.ranking import auroc, false_positive_rate

DRAWN_SHARE = 0.001
"""Of an image that a mask covers from which on something was drawn."""
_SENSITIVITY = 0.95


def rank_presence(
    presence: Sequence[float],
    present: Sequence[bool],
    covered: Sequence[float],
    groups: Sequence[Hashable] | None = None,
    resamples: int = RANKED_RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge the presence that was said of each case, and the masks that were drawn in vain.

    Args:
        presence: of each case, higher is more likely there.
        present: whether the target is there.
        covered: share of the image that the mask covers.
        groups: patient, sequence or image of each case: whole groups are drawn.
        resamples: of the bootstrap; those with cases of one kind only are left out.
        seed: of the draws.

    Returns:
        What can be written as JSON: ``present`` and ``absent`` (cases), ``auroc``, ``false_positive_rate`` at a
        sensitivity of 95 %, and ``drawn_in_vain`` (share of the absent cases whose mask covers more than 0.1 % of the
        image), each with ``_ci95``; without these three where all cases are of one kind.
    """
    table, truth = np.array([presence, covered], dtype=float), np.asarray(present, dtype=bool)
    result: dict[str, Any] = {"present": int(truth.sum()), "absent": int((~truth).sum())}
    if not result["present"] or not result["absent"]:
        return result
    _, units = numbered(groups, len(truth))
    draws = [
        list(_measured(table[:, at], truth[at]).values())
        for at in resampled(units, resamples, seed)
        if 0 < truth[at].sum() < len(at)
    ]
    bounds = np.percentile(draws, CONFIDENCE, axis=0).T.tolist() if draws else [[None, None]] * 3
    for (name, value), interval in zip(_measured(table, truth).items(), bounds, strict=True):
        result |= {name: value, f"{name}_ci95": interval}
    return result


def _measured(table: Floats, truth: NDArray[np.bool_]) -> dict[str, float]:
    presence, covered = table
    ranked = presence.tolist(), truth.tolist()
    return {
        "auroc": auroc(*ranked),
        "false_positive_rate": false_positive_rate(*ranked, _SENSITIVITY),
        "drawn_in_vain": float((covered[~truth] > DRAWN_SHARE).mean()),
    }
