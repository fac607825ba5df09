"""Thresholds of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from calibration.synthetic import cases_of
from scipy.special import expit, logit

from monai_vlsm.calibration.histograms import EDGES, count_logits
from monai_vlsm.calibration.thresholds import control_risk, dice_and_missed, fit_thresholds


def test_dice_and_missed_share_are_those_of_the_masks():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, 5000)
    label = rng.random(5000) < expit(logits - 1)
    dice, missed = dice_and_missed(count_logits(logits, label)[None])
    for place in (800, 1000, 1234):
        mask = logits >= EDGES[place]
        assert dice[0, place] == pytest.approx(2 * (mask & label).sum() / (mask.sum() + label.sum()))
        assert missed[0, place] == pytest.approx((~mask & label).sum() / label.sum())


def one_step(at: float, cases: int = 20) -> np.ndarray:
    """Return cases of 100 pixels: 50 of the target above ``at`` and 50 of background below."""
    logits = np.concatenate([np.full(50, at + 0.5), np.full(50, at - 0.5)])
    return np.stack([count_logits(logits, logits > at)] * cases)


@pytest.mark.parametrize(("at", "at_half"), [(-2.0, 0.0), (2.0, 2 / 3)])
def test_the_threshold_of_the_best_dice_separates_and_is_the_nearest_to_one_half(at, at_half):
    # At -2 nothing reaches one half, which has the Dice 0; at 2, all does.
    shifted = one_step(at)
    found = fit_thresholds(shifted, range(20), temperature=2.0, alpha=0.1, resamples=20)["threshold"]
    assert logit(found["best_dice"]) * 2.0 == pytest.approx(at - np.sign(at) * 0.5, abs=0.03)
    assert (found["dice"], found["dice_at_half"]) == pytest.approx((1.0, at_half))


def test_a_threshold_leads_back_to_the_logit_that_it_came_from():
    counts, groups = cases_of(12, temperature=3.0)
    found = fit_thresholds(counts, groups, temperature=3.0, alpha=0.1, resamples=20)
    for threshold in (found["threshold"]["best_dice"], found["risk_control"]["threshold"]):
        assert np.abs(EDGES - 3.0 * logit(threshold)).min() < 1e-6


def test_the_known_place_is_controlled():
    # Unit i of nine loses all from place i on: k + 1 units have lost at place k, and (k + 1 + 1) / 10 is at most 0.3
    # up to k = 1.
    losses = np.triu(np.ones((9, 9)))
    assert control_risk(losses, alpha=0.3) == 1
    assert control_risk(losses, alpha=0.2) == 0
    assert control_risk(losses, alpha=0.19) is None


def test_exactly_as_many_units_as_needed_allow_no_loss():
    losses = np.array([[0.0, 0.0, 0.01]] * 9)
    assert control_risk(losses, alpha=0.1) == 1


def test_fewer_units_than_needed_give_the_reason_alone():
    found = fit_thresholds(one_step(1.0, cases=16), [index // 2 for index in range(16)], 1.0, alpha=0.1, resamples=5)
    assert "takes 9 patients" in found["risk_control"]["missing"]
    assert "there are 8" in found["risk_control"]["missing"]


def test_missed_shares_stay_at_or_below_alpha_in_new_cases():
    """Over 200 splits, the mean missed share of cases that were not used is at most alpha, within its own error."""
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(120):
        logits = rng.normal(rng.normal(2, 2), 2, 300)
        counts.append(count_logits(np.append(logits, -9.0), np.append(np.ones(300), 0)))
    missed = dice_and_missed(np.stack(counts))[1]
    shares = []
    for _ in range(200):
        order = rng.permutation(120)
        place = control_risk(missed[order[:40]], alpha=0.1)
        shares.append(missed[order[40:], place].mean())
    assert 0.06 < np.mean(shares) <= 0.1 + 2 * np.std(shares) / np.sqrt(len(shares))


def test_a_target_with_the_lowest_logits_gives_the_reason_alone():
    logits = np.concatenate([np.full(50, -500.0), np.full(50, 0.0)])
    counts = np.stack([count_logits(logits, logits < -1)] * 20)
    assert (
        "nearly the whole image"
        in fit_thresholds(counts, range(20), 1.0, alpha=0.1, resamples=5)["risk_control"]["missing"]
    )


def test_every_number_has_an_interval():
    counts, groups = cases_of(12, temperature=1.0)
    found = fit_thresholds(counts, groups, temperature=1.0, alpha=0.1, resamples=50)
    assert set(found["threshold"]["ci95"]) == {"best_dice", "dice", "dice_at_half"}
    assert set(found["risk_control"]["ci95"]) == {"missed", "dice"}
    low, high = found["threshold"]["ci95"]["best_dice"]
    assert low <= found["threshold"]["best_dice"] <= high
