"""How well absent targets are told from present ones."""

import json

import pytest

from monai_vlsm.statistics import rank_presence

PRESENT = [True] * 20 + [False] * 20
APART = [0.9] * 20 + [0.1] * 20


def test_what_is_told_apart_without_mistake_has_no_width():
    found = rank_presence(APART, PRESENT, [0.2] * 20 + [0.0] * 20)
    assert (found["present"], found["absent"]) == (20, 20)
    assert (found["auroc"], found["false_positive_rate"], found["drawn_in_vain"]) == (1, 0, 0)
    assert (found["auroc_ci95"], found["drawn_in_vain_ci95"]) == ([1, 1], [0, 0])


def test_a_mask_over_a_thousandth_of_the_image_was_drawn_in_vain():
    covered = [0.2] * 20 + [0.001] * 10 + [0.0011] * 10
    assert rank_presence(APART, PRESENT, covered)["drawn_in_vain"] == 0.5


def test_by_patient_the_interval_is_wider_than_by_image():
    presence = [0.9] * 10 + [0.2] * 10 + [0.1] * 10 + [0.8] * 10
    patients = [name for name in "abcdefgh" for _ in range(5)]
    widths = []
    for groups in (None, patients):
        low, high = rank_presence(presence, PRESENT, [0.0] * 40, groups)["auroc_ci95"]
        widths.append(high - low)
    assert widths[1] > 1.3 * widths[0]


@pytest.mark.parametrize("kind", [True, False])
def test_cases_of_one_kind_are_counted_and_nothing_is_said(kind):
    assert rank_presence([0.5] * 3, [kind] * 3, [0.0] * 3) == {"present": 3 * kind, "absent": 3 * (not kind)}


def test_all_cases_of_one_patient_give_numbers_without_interval():
    found = rank_presence(APART, PRESENT, [0.0] * 40, ["a"] * 40)
    assert found["auroc"] == 1
    assert found["auroc_ci95"] == [None, None]


def test_the_result_can_be_written_as_strict_json():
    json.dumps(rank_presence(APART, PRESENT, [0.0] * 40), allow_nan=False)
