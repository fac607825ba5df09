"""Which image to label next: chances drawn from what a network sees in the images that have no label yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.statistics.intervals import Floats

SEEN_FROM = 0.5
"""Presence from which a network sees its target in an image."""
_LABELS_PER_POWER = 20
"""Labels that raise the power of the entropy by one: early choices are nearly random, later ones nearly greedy."""


@dataclass(frozen=True)
class Seen:
    """What a network sees in an image.

    Args:
        presence: how likely its target is there, from 0 to 1.
        entropy: mean over the pixels, in bits, from 0 to 1; see :func:`mean_entropy`.
    """

    presence: float
    entropy: float


Chances = Callable[[Sequence[Seen | None], int], Floats]
"""From what is seen in each image (None: not looked at yet) and the number of labels there are, to chances."""


def mean_entropy(probability: NDArray[np.floating]) -> float:
    """Return the mean entropy in bits of pixels that belong to a mask with these probabilities."""
    inside = np.clip(np.asarray(probability, dtype=np.float32), 1e-6, 1 - 1e-6)
    return float(-(inside * np.log2(inside) + (1 - inside) * np.log2(1 - inside)).mean())


def foreground_chances(seen: Sequence[Seen | None], labels: int = 0) -> Floats:
    """Return a chance for each image: its presence where the network sees something, else 0.

    An image that was not looked at has the mean chance of those that were. Where nothing is seen in any, all are equal.

    Args:
        seen: in each image; None where it was not looked at.
        labels: how many images have a label; of no influence.
    """
    return _chances([None if one is None else one.presence * (one.presence >= SEEN_FROM) for one in seen])


def uncertain_chances(seen: Sequence[Seen | None], labels: int = 0) -> Floats:
    """Return a chance for each image: its entropy, to a power that grows with the number of labels.

    To draw so is to take the highest of the logarithms after Gumbel noise was added ("power noising", with a decaying
    schedule, after ClaSP PE, arXiv 2601.13677; the schedule is our own). Images not looked at: as above.

    Args:
        seen: in each image; None where it was not looked at.
        labels: how many images have a label.
    """
    known = [one.entropy for one in seen if one is not None]
    largest = max(known, default=0.0) or 1.0
    power = 1 + labels / _LABELS_PER_POWER
    return _chances([None if one is None else (one.entropy / largest) ** power for one in seen])


STRATEGIES: dict[str, Chances] = {"random_foreground": foreground_chances, "uncertain": uncertain_chances}
"""By name; the first is the default."""


def draw(chances: Floats, rng: np.random.Generator) -> int:
    """Return the place of one image, drawn by its chance; where all are 0, any."""
    total = chances.sum()
    return int(rng.choice(len(chances), p=chances / total if total > 0 else None))


def _chances(weights: Sequence[float | None]) -> Floats:
    known = [weight for weight in weights if weight is not None]
    mean = float(np.mean(known)) if known else 1.0
    chances = np.array([mean if weight is None else weight for weight in weights], dtype=float)
    return chances if chances.any() else np.ones_like(chances)
