"""Cases whose right calibration is known."""

from __future__ import annotations

import numpy as np

from monai_vlsm.calibration.histograms import Counts, count_logits


def cases_of(number: int, temperature: float, pixels: int = 20_000, seed: int = 0) -> tuple[Counts, list[str]]:
    """Return the histograms of cases whose pixels are foreground with the chance ``sigmoid(logit / temperature)``."""
    rng = np.random.default_rng(seed)
    counts = []
    for _ in range(number):
        logits = rng.normal(rng.normal(-1, 0.5), 3, pixels)
        counts.append(count_logits(logits, rng.random(pixels) < 1 / (1 + np.exp(-logits / temperature))))
    return np.stack(counts), [f"case {index}" for index in range(number)]
