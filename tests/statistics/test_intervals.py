"""Tests of means and their intervals."""

import math

import numpy as np
import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.statistics import group_means, summarize


def sample(count=40, seed=0):
    return np.random.default_rng(seed).beta(5, 2, count).tolist()


def test_mean_deviation_and_median_are_those_of_the_values():
    summary = summarize([0.2, 0.4, 0.9])
    assert [summary[name] for name in ("mean", "std", "median")] == pytest.approx([0.5, np.sqrt(0.13), 0.4])


def test_undefined_values_do_not_change_the_numbers():
    with_undefined, without = summarize([0.2, math.nan, 0.4, 0.9]), summarize([0.2, 0.4, 0.9])
    assert with_undefined.pop("undefined") == 1
    assert without.pop("undefined") == 0
    assert with_undefined == without


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_contains_the_mean(seed):
    summary = summarize(sample(seed=seed))
    low, high = summary["ci95"]
    assert low < summary["mean"] < high


def test_the_interval_is_that_of_the_mean():
    """For many values it is close to 1.96 standard errors on both sides."""
    values = sample(400)
    low, high = summarize(values)["ci95"]
    error = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
    assert (low, high) == pytest.approx((np.mean(values) - error, np.mean(values) + error), abs=0.1 * error)


def test_the_interval_shrinks_with_the_number_of_images():
    few, many = (np.diff(summarize(sample(count))["ci95"]).item() for count in (20, 320))
    assert many < few / 2


def test_the_interval_is_reproducible():
    assert summarize(sample()) == summarize(sample())


def test_the_interval_does_not_depend_on_the_global_seed():
    np.random.seed(1)
    first = summarize(sample())
    np.random.seed(2)
    assert summarize(sample()) == first


def test_equal_values_have_an_interval_of_no_width():
    assert summarize([0.7] * 5)["ci95"] == pytest.approx([0.7, 0.7])


@pytest.mark.parametrize("groups", [None, ["a", "a", "a"]])
def test_a_single_case_or_group_has_no_interval(groups):
    assert summarize([0.7] if groups is None else [0.7, 0.8, 0.9], groups)["ci95"] == [None, None]


def test_a_group_for_each_case_changes_nothing():
    values = [*sample(), math.nan]
    grouped = summarize(values, range(len(values)))
    assert grouped.pop("groups") == len(values) - 1
    assert grouped == summarize(values)


def test_groups_of_undefined_values_do_not_count():
    assert summarize([0.5, 0.6, math.nan], ["a", "b", "c"])["groups"] == 2


def test_the_interval_of_repeated_cases_is_that_of_the_cases():
    """Ten copies of each image tell nothing new; taken for themselves they would look like ten times the data."""
    values = sample(20)
    repeated, groups = np.repeat(values, 10), np.repeat(np.arange(20), 10)
    assert summarize(repeated, groups)["ci95"] == pytest.approx(summarize(values)["ci95"])
    assert np.diff(summarize(repeated)["ci95"]) < 0.5 * np.diff(summarize(values)["ci95"])


def test_a_large_group_weighs_as_many_cases_as_it_has():
    """With groups of 1 and 3 cases, a resample of both has the mean of all four cases."""
    means = group_means(np.array([1.0, 0.0, 0.0, 0.0]), ["a", "b", "b", "b"], resamples=200)
    assert set(means) == {1.0, 0.25, 0.0}


def test_the_interval_does_not_depend_on_how_many_are_drawn_at_once(monkeypatch):
    expected = summarize(sample())
    monkeypatch.setattr("monai_vlsm.statistics.intervals._AT_ONCE", 40 * 7)
    assert summarize(sample()) == expected


def test_numbers_of_values_and_groups_must_agree():
    with pytest.raises(DataError, match="a group for each of 2 values, got 1"):
        summarize([0.1, 0.2], ["a"])
