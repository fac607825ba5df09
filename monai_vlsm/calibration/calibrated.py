"""What a calibration makes of logits, presence scores and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scipy.special import expit, logit

from monai_vlsm.bundle.values import RULES
from monai_vlsm.errors import DataError
from monai_vlsm.rules import require_value, shortened

RISK_CONTROL = "risk_control"


@dataclass(frozen=True)
class Calibration:
    """Numbers by which probabilities mean what they say; without arguments, those of a model that has none.

    Args:
        temperature: T in ``sigmoid(logit / T)``.
        slope: a in the presence, ``sigmoid(a * score + b)``.
        offset: b.
        cut: presence below which a mask is empty; 0 empties none.
        thresholds: of calibrated probabilities, by the word that stands for each: best_dice, risk_control.
        missing: why a word stands for nothing.
    """

    temperature: float = 1.0
    slope: float = 1.0
    offset: float = 0.0
    cut: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def presence(self, score: float) -> float:
        """Return how likely it is, from 0 to 1, that the target is there.

        Args:
            score: see :func:`.presence_score`.
        """
        return float(expit(self.slope * score + self.offset))

    def probability(self, threshold: float | str) -> float:
        """Return the probability, from 0 to 1, that a threshold stands for.

        Raises:
            DataError: if it is none, or a word that this calibration has no number for.
        """
        require_value(RULES["threshold"], threshold, "threshold")
        if not isinstance(threshold, str):
            return float(threshold)
        if threshold in self.thresholds:
            return self.thresholds[threshold]
        # As Python writes it: the reason comes from a file of others, and could hold what a terminal obeys.
        why = f": {shortened(self.missing[threshold])}" if threshold in self.missing else ", which has none yet"
        raise DataError(
            f"the threshold {threshold!r} takes a calibration of this model{why}. Name a number such as 0.5, or run "
            "'calibrating' as docs/calibration.md says."
        )

    def logit(self, threshold: float | str) -> float:
        """Return the logit from which on a pixel reaches a threshold, as :meth:`probability` takes it."""
        return self.temperature * float(logit(self.probability(threshold)))

    def least_presence(self, min_presence: float | None, threshold: float | str = 0.5) -> float:
        """Return the presence below which a mask is empty.

        Args:
            min_presence: that a user asks for; None is the cut of this calibration, if there is one.
            threshold: with ``risk_control`` None is no cut, because every pixel of an emptied mask would be missed.

        Raises:
            DataError: if ``min_presence`` is none.
        """
        if min_presence is None:
            return 0.0 if threshold == RISK_CONTROL else self.cut
        require_value(RULES["min_presence"], min_presence, "min_presence")
        return float(min_presence)


IDENTITY = Calibration()
"""That of a model without one."""
