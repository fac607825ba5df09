"""How far probabilities are from what was there, by MONAI's bins, from histograms of logits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import calibration_binning
from scipy.special import expit

from monai_vlsm.calibration.histograms import CENTERS, Counts, Floats
from monai_vlsm.statistics import summarize

_AT_ONCE = 2**16
"""Pixels: MONAI adds them up in single precision, in which the sum over a large image is several percent off."""


def calibration_errors(counts: Counts, groups: Sequence[Hashable], temperature: float) -> dict[str, Any]:
    """Return the expected calibration error before and after a temperature, as MONAI's CalibrationErrorMetric gives it.

    Args:
        counts: (cases, 2, bins) of :func:`monai_vlsm.calibration.histograms.count_logits`.
        groups: patient or image of each case, for the interval.
        temperature: of the probabilities after.

    Returns:
        ``ece_before`` and ``ece_after``, means over cases; their ``ci95``; and under ``reliability`` what is in each of
        MONAI's 20 bins over all cases: mean probability, share of foreground, number of pixels.
    """
    result: dict[str, Any] = {"ci95": {}, "reliability": {}}
    for name, value in (("before", 1.0), ("after", temperature)):
        sums = np.stack([_binned(case, expit(CENTERS / value)) for case in counts])
        found = summarize([expected_error(case) for case in sums], list(groups))
        result[f"ece_{name}"], result["ci95"][f"ece_{name}"] = found["mean"], found["ci95"]
        result["reliability"][name] = _curve(sums.sum(axis=0))
    return result


def expected_error(sums: Floats) -> float:
    """Return the mean over pixels of the distance between probability and share of foreground in their bin.

    Args:
        sums: (3, bins) of probabilities, foreground and pixels.
    """
    return float(np.abs(sums[0] - sums[1]).sum() / sums[2].sum())


def _binned(counts: Counts, probabilities: Floats) -> Floats:
    """Return the sums of probability, foreground and pixels in each of MONAI's bins: (3, 20)."""
    times = torch.from_numpy(counts.ravel())
    pixels = torch.from_numpy(np.tile(probabilities, 2)).float().repeat_interleave(times)
    truth = torch.tensor([0.0, 1.0]).repeat_interleave(torch.from_numpy(counts.sum(axis=1)))
    total: Any = 0.0
    for part, shown in zip(pixels.split(_AT_ONCE), truth.split(_AT_ONCE), strict=True):
        means = torch.stack(calibration_binning(part[None, None], shown[None, None]))[:, 0, 0].double().nan_to_num()
        total = total + torch.cat([means[:2] * means[2], means[2:]])
    return np.asarray(total)


def _curve(sums: Floats) -> dict[str, list[float | None]]:
    filled = sums[2] > 0
    means = np.divide(sums[:2], sums[2], out=np.zeros_like(sums[:2]), where=filled)
    shown = [[float(value) if there else None for value, there in zip(row, filled, strict=True)] for row in means]
    return {"predicted": shown[0], "observed": shown[1], "pixels": [int(number) for number in sums[2]]}
