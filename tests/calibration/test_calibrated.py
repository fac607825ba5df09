"""What a calibration makes of logits, scores and thresholds."""

from __future__ import annotations

import math

import pytest

from monai_vlsm.calibration import IDENTITY, Calibration
from monai_vlsm.errors import DataError

CALIBRATED = Calibration(2.0, 0.5, -1.0, cut=0.4, thresholds={"best_dice": 0.6}, missing={"risk_control": "too few"})


def test_without_a_calibration_numbers_stay_as_they_are():
    assert IDENTITY.logit(0.8) == pytest.approx(math.log(4))
    assert IDENTITY.presence(1.5) == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert IDENTITY.least_presence(None) == 0


def test_a_threshold_is_one_of_calibrated_probabilities():
    logit = CALIBRATED.logit(0.8)
    assert 1 / (1 + math.exp(-logit / CALIBRATED.temperature)) == pytest.approx(0.8)


@pytest.mark.parametrize(("threshold", "logit"), [(0, -math.inf), (1, math.inf), (0.5, 0.0)])
def test_the_ends_and_the_middle_do_not_depend_on_the_temperature(threshold, logit):
    assert CALIBRATED.logit(threshold) == logit


def test_a_word_stands_for_the_number_that_was_found():
    assert CALIBRATED.probability("best_dice") == 0.6


@pytest.mark.parametrize(
    ("calibration", "word", "reason"),
    [(IDENTITY, "best_dice", "has none yet"), (CALIBRATED, "risk_control", "this model: 'too few'")],
)
def test_a_word_without_a_number_is_refused_with_the_reason(calibration, word, reason):
    with pytest.raises(DataError, match=f"{reason}.*run 'calibrating'"):
        calibration.probability(word)


def test_a_reason_of_a_stranger_is_shown_as_text_that_a_terminal_does_not_obey():
    with pytest.raises(DataError) as error:
        Calibration(missing={"best_dice": "\x1b]0;owned\x07" + "x" * 900}).probability("best_dice")
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("threshold", ["best", -0.1, 1.1, float("nan"), None, True, [0.5], {}])
def test_another_threshold_is_refused(threshold):
    with pytest.raises(DataError, match="'threshold' must be a number from 0 to 1, or 'best_dice' or 'risk_control'"):
        CALIBRATED.logit(threshold)


def test_nothing_said_is_the_cut_and_a_number_is_that_number():
    assert CALIBRATED.least_presence(None) == 0.4
    assert CALIBRATED.least_presence(0) == 0
    assert CALIBRATED.least_presence(0.9) == 0.9


def test_risk_control_cuts_nothing_unless_told_so():
    assert CALIBRATED.least_presence(None, "risk_control") == 0
    assert CALIBRATED.least_presence(0.2, "risk_control") == 0.2


@pytest.mark.parametrize("value", [-1, 2, float("nan"), "0.5", True])
def test_another_least_presence_is_refused(value):
    with pytest.raises(DataError, match="'min_presence' must be a number from 0 to 1, or null"):
        CALIBRATED.least_presence(value)


@pytest.mark.parametrize("score", [-1e9, 1e9])
def test_extreme_scores_stay_probabilities(score):
    assert CALIBRATED.presence(score) in (0.0, 1.0)
