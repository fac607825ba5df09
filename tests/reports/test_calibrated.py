"""Tests of the section on a calibration."""

from __future__ import annotations

import pytest
from calibration.documents import DOCUMENT, document
from reports.test_evaluated import text_of

from monai_vlsm.reports.calibrated import add_calibration

SHA256 = DOCUMENT["checkpoint_sha256"]


def test_without_a_calibration_the_way_to_one_is_shown():
    assert "python calibrate" in text_of(add_calibration, None, SHA256, "python calibrate")


def test_a_calibration_of_another_model_is_not_shown():
    shown = text_of(add_calibration, DOCUMENT, "f" * 64, "")
    assert "another checkpoint" in shown
    assert "temperature" not in shown


def test_numbers_stand_beside_their_intervals_and_data():
    shown = " ".join(text_of(add_calibration, DOCUMENT, SHA256, "").split())
    assert "Fitted on 20 entries (8 of them do not show their target), 16 images, of the split validation" in shown
    assert "temperature 2.000 (1.800 to 2.200)" in shown
    assert "presence: AUROC 0.970 (0.900 to 1.000)" in shown
    assert "share of missed pixels at most 0.1 (n = 12)" in shown
    assert "calibration error 0.100 before and 0.050 after" in shown


@pytest.mark.parametrize("part", ["temperature", "presence", "threshold", "risk_control"])
def test_a_part_that_is_missing_says_why(part):
    shown = text_of(add_calibration, document(**{part: {"missing": "too few cases"}}), SHA256, "")
    assert f"Without {part.replace('_', ' ')}: too few cases." in shown


def test_a_calibration_without_any_part_is_still_a_section():
    parts = {name: {"missing": "too few cases"} for name in ("temperature", "presence", "threshold", "risk_control")}
    assert text_of(add_calibration, document(**parts), SHA256, "").count("too few cases") == 4
