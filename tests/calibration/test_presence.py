"""Whether a target is there at all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from monai_vlsm.calibration.presence import fit_platt, fit_presence


def drawn(a: float, b: float, number: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return scores, and what is present with the chance ``sigmoid(a * score + b)``."""
    rng = np.random.default_rng(0)
    scores = rng.normal(1, 4, number)
    return scores, rng.random(number) < expit(a * scores + b)


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.3, -1.0), (2.5, 2.0)])
def test_known_parameters_are_found(a, b):
    assert fit_platt(*drawn(a, b)) == pytest.approx((a, b), abs=0.1)


def test_scores_that_a_threshold_separates_give_a_finite_slope():
    # Both smoothed targets, 6/7 and 1/7, are met exactly where a = log(6) and b = 0.
    a, b = fit_platt(np.array([1.0] * 5 + [-1.0] * 5), np.array([True] * 5 + [False] * 5))
    assert (a, b) == pytest.approx((np.log(6), 0), abs=1e-4)


def test_a_cut_keeps_the_share_that_is_asked_for():
    scores, present = np.arange(100.0), np.arange(100) >= 50
    scores[90:] -= 50  # ten of the present cases score 40 to 49, as ten absent ones do
    found = fit_presence(scores, present, range(100), sensitivity=0.9, resamples=20)
    kept = expit(found["a"] * scores + found["b"]) >= found["threshold"]
    assert kept[present].mean() >= 0.9
    assert kept[~present].mean() == pytest.approx(found["false_positive_rate"])
    assert (found["present"], found["absent"]) == (50, 50)


def test_every_number_has_an_interval_that_holds_it():
    scores, present = drawn(1.0, 0.0, 300)
    found = fit_presence(scores, present, range(300), 0.95, resamples=100)
    assert set(found["ci95"]) == {"a", "b", "threshold", "auroc", "false_positive_rate"}
    for name, (low, high) in found["ci95"].items():
        assert low <= found[name] <= high


@pytest.mark.parametrize(
    ("present", "reason"), [([True] * 20, "0 cases without it"), ([True] * 4 + [False] * 16, "4 cases with the target")]
)
def test_too_few_of_a_kind_give_the_reason_alone(present, reason):
    found = fit_presence(np.arange(20.0), present, range(20), 0.95)
    assert set(found) == {"missing"}
    assert reason in found["missing"]


def test_a_score_that_is_higher_for_what_is_absent_gives_the_reason_alone():
    found = fit_presence(np.arange(20.0), [True] * 10 + [False] * 10, range(20), 0.95)
    assert found == {"missing": "the score does not tell present from absent targets (AUROC 0.000)"}


def test_equal_scores_give_the_reason_alone():
    assert "does not tell" in fit_presence(np.ones(20), [True] * 10 + [False] * 10, range(20), 0.95)["missing"]
