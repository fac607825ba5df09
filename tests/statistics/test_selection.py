"""Tests of scores as detectors of bad masks."""

import json

import numpy as np
import pytest

from monai_vlsm.statistics import rank_cases

DICE = [0.9, 0.8, 0.7, 0.2, 0.4, 0.95]


def test_the_dice_itself_is_the_best_score():
    ranked = rank_cases(DICE, {"dice": DICE, "none": [0.5] * 6}, resamples=50)
    best, none = (ranked["scores"][name] for name in ("dice", "none"))
    assert best["area"] == ranked["least_area"]
    assert best["auroc"] == 1
    assert none["area"] == pytest.approx(ranked["area_at_random"]) == pytest.approx(1 - np.mean(DICE))
    assert none["auroc"] == 0.5


def test_differences_are_those_from_the_last_score():
    ranked = rank_cases(DICE, {"dice": DICE, "reversed": [-value for value in DICE]}, resamples=50)
    first, last = (ranked["scores"][name] for name in ("dice", "reversed"))
    assert first["less_last"]["area"] == pytest.approx(first["area"] - last["area"])
    assert first["less_last"]["auroc"] == 1
    assert last["less_last"]["area_ci95"] == [0, 0]


def test_equal_scores_do_not_differ_in_any_resample():
    ranked = rank_cases(DICE, {"first": DICE, "second": DICE}, resamples=50)
    assert ranked["scores"]["first"]["less_last"]["area_ci95"] == [0, 0]


def test_cases_without_a_score_are_left_out_of_all_and_counted():
    ranked = rank_cases([*DICE, 0.1, np.nan], {"a": [*DICE, np.nan, 1], "b": [*DICE, 1, 1]}, resamples=5)
    assert (ranked["cases"], ranked["left_out"]) == (6, 2)
    assert ranked["scores"]["b"]["area"] == ranked["least_area"]


@pytest.mark.parametrize("dice", [[0.9, 0.8], [0.1, 0.2]], ids=["none bad", "all bad"])
def test_where_all_masks_are_alike_none_can_be_found(dice):
    found = rank_cases(dice, {"score": [0.1, 0.2]}, resamples=5)["scores"]["score"]
    assert found["auroc"] is None
    assert found["auroc_ci95"] == [None, None]
    assert found["area"] is not None


def test_whole_groups_are_drawn():
    rng = np.random.default_rng(0)
    dice, score = rng.random(40), rng.random(40)
    apart = rank_cases(dice, {"score": score}, resamples=200)["scores"]["score"]["area_ci95"]
    whole = rank_cases(np.repeat(dice, 5), {"score": np.repeat(score, 5)}, np.repeat(range(40), 5), 200)
    again = whole["scores"]["score"]["area_ci95"]
    assert again == pytest.approx(apart, abs=0.02)


def test_of_one_group_there_is_no_interval():
    ranked = rank_cases(DICE, {"score": DICE}, ["a"] * 6)
    assert ranked["scores"]["score"]["area_ci95"] == [None, None]


def test_without_any_case_there_are_counts_only():
    assert rank_cases([np.nan], {"score": [0.3]}) == {"cases": 0, "left_out": 1, "bad": 0}


def test_it_can_be_written_as_json():
    json.dumps(rank_cases(DICE, {"score": DICE}, resamples=5), allow_nan=False)
