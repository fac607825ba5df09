"""Tests of two measurements of the same cases: p-values and intervals that are known by hand."""

import math

import numpy as np
import pytest
from scipy.stats import norm, ttest_rel

from monai_vlsm.errors import DataError
from monai_vlsm.statistics import compare_paired, holm


def drawn(count=60, shift=0.02, noise=0.05, seed=0):
    """Scores of two runs of which the second is better by ``shift`` on average."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(0.4, 0.8, count)
    return first, first + rng.normal(shift, noise, count)


def test_equal_runs_do_not_differ():
    scores, _ = drawn()
    result = compare_paired(scores, scores)
    assert (result.difference, result.ci95) == (0, (0, 0))
    assert (result.p_bootstrap, result.p_wilcoxon) == (1, 1)
    assert (result.wins, result.ties, result.losses) == (0, 60, 0)


def test_wins_ties_and_losses_are_counted():
    result = compare_paired([0.1, 0.5, 0.5, 0.9], [0.2, 0.5, 0.6, 0.8])
    assert (result.wins, result.ties, result.losses) == (2, 1, 1)


def test_the_smaller_distance_wins():
    result = compare_paired([3.0, 1.0, 2.0], [2.0, 1.0, 0.5], lower_is_better=True)
    assert (result.wins, result.ties, result.losses) == (2, 1, 0)
    assert result.difference == pytest.approx(-2.5 / 3)


def test_means_are_over_the_cases_that_both_define():
    result = compare_paired([0.2, math.nan, 0.4, 0.9], [0.3, 0.5, math.nan, 1.0])
    assert result.means == pytest.approx((0.55, 0.65))
    assert (result.cases, result.groups, result.undefined) == (2, 2, (1, 1))


def test_six_improvements_of_six_have_the_exact_wilcoxon_p():
    """Of 2**6 ways to give signs, all plus and all minus are as far out: 2 / 64."""
    first = np.full(6, 0.5)
    assert compare_paired(first, first + np.arange(1, 7) / 100).p_wilcoxon == pytest.approx(2 / 64)


def test_cases_without_a_difference_are_no_evidence():
    first = np.full(10, 0.5)
    after = first + np.array([1, 2, 3, 4, 5, 6, 0, 0, 0, 0]) / 100
    assert compare_paired(first, after).p_wilcoxon == pytest.approx(2 / 64)


def test_differences_that_are_equal_but_for_rounding_have_equal_ranks():
    """Three ties of either sign: the statistic is in the middle, so p is 1."""
    result = compare_paired([0.8, 0.6, 0.4, 0.6], [0.6, 0.4, 0.6, 0.8])
    assert result.p_wilcoxon == pytest.approx(1)


def test_two_cases_have_the_bootstrap_of_three_outcomes():
    """Differences 0 and 1: a resample has the mean 0, 0.5 or 1 with the chances 1/4, 1/2, 1/4."""
    result = compare_paired([0.0, 0.0], [0.0, 1.0])
    assert result.ci95 == (0, 1)
    assert result.p_bootstrap == pytest.approx(2 / 4, abs=0.02)


def test_the_interval_of_many_cases_is_that_of_the_normal_law():
    first, second = drawn(400)
    error = norm.ppf(0.975) * np.std(second - first, ddof=1) / 20
    expected = np.mean(second - first) + np.array([-error, error])
    assert compare_paired(first, second).ci95 == pytest.approx(expected, abs=0.1 * error)


@pytest.mark.parametrize("seed", range(4))
def test_the_bootstrap_p_of_many_cases_is_that_of_the_t_test(seed):
    first, second = drawn(200, shift=0.006, seed=seed)
    expected = ttest_rel(first, second).pvalue
    assert compare_paired(first, second).p_bootstrap == pytest.approx(expected, abs=0.02)


def test_runs_without_a_difference_are_seldom_told_apart():
    """At a level of 5 %, of 200 pairs of runs 10 are expected; 20 or more come in 2 of 1,000 such tests."""
    p_values = [compare_paired(*drawn(40, 0, seed=seed), resamples=1000) for seed in range(200)]
    assert sum(result.p_bootstrap < 0.05 for result in p_values) < 20
    assert sum(result.p_wilcoxon < 0.05 for result in p_values) < 20


def test_patients_with_many_images_widen_the_interval():
    first, second = drawn(20)
    images = np.repeat(first, 8), np.repeat(second, 8)
    patients = np.repeat(np.arange(20), 8)
    alone, together = (compare_paired(*images, groups) for groups in (None, patients))
    assert np.diff(together.ci95) > 2 * np.diff(alone.ci95)
    assert together.ci95 == pytest.approx(compare_paired(first, second).ci95)
    assert (alone.groups, together.groups) == (160, 20)


def test_patients_with_many_images_count_once_in_the_signed_rank_test():
    first, second = drawn(20)
    patients = np.repeat(np.arange(20), 8)
    together = compare_paired(np.repeat(first, 8), np.repeat(second, 8), patients)
    assert together.p_wilcoxon == pytest.approx(compare_paired(first, second).p_wilcoxon)


def test_a_single_patient_tells_nothing_about_others():
    result = compare_paired([0.1, 0.2, 0.3], [0.4, 0.4, 0.4], ["a", "a", "a"])
    assert (result.difference, result.ci95, result.p_bootstrap) == (pytest.approx(0.2), (None, None), None)


def test_runs_that_have_no_defined_pair_give_no_numbers():
    result = compare_paired([math.nan, 0.5], [0.5, math.nan])
    assert (result.cases, result.means, result.difference, result.p_wilcoxon) == (0, (None, None), None, None)


def test_runs_of_other_lengths_are_refused():
    with pytest.raises(DataError, match="two values for each case, got 1 and 2"):
        compare_paired([0.1], [0.1, 0.2])


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ([0.01], [0.01]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.04, 0.01, None], [0.04, 0.02, None]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([None], [None]),
    ],
)
def test_p_values_are_corrected_as_holm_did(p_values, expected):
    corrected = holm(p_values)
    assert corrected == [None if p is None else pytest.approx(p) for p in expected]
