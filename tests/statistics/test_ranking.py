"""Tests of how well a score tells cases apart."""

import math

import numpy as np
import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.statistics import auroc, false_positive_rate, risk_coverage


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 1.0),
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], 0.0),
        ([0.5, 0.5, 0.5], [0, 1, 1], 0.5),
        ([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75),
        ([1, 2, 2, 3], [0, 1, 0, 1], (1 + 0.5 + 1 + 1) / 4),
    ],
)
def test_the_area_is_the_share_of_pairs_in_order(scores, positive, expected):
    assert auroc(scores, positive) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("sensitivity", "expected"), [(1.0, 0.75), (0.95, 0.75), (0.75, 0.5), (0.5, 0.25), (0.25, 0.25)]
)
def test_false_positives_are_those_at_or_above_the_cut(sensitivity, expected):
    """Positives at 3, 5, 6, 8: for a sensitivity of 0.75 the cut is 5, for 0.5 it is 6."""
    scores, positive = [3, 5, 6, 8, 1, 4, 5, 9], [1, 1, 1, 1, 0, 0, 0, 0]
    assert false_positive_rate(scores, positive, sensitivity) == expected


@pytest.mark.parametrize("count", [1, 7, 20, 100])
@pytest.mark.parametrize("sensitivity", [0.05, 0.8, 0.9, 0.95, 1.0])
def test_the_cut_keeps_as_many_positives_as_was_asked(count, sensitivity):
    """Negatives on every positive value: the share at or above the cut is the sensitivity that was reached."""
    values = np.random.default_rng(count).normal(size=count)
    reached = false_positive_rate([*values, *values], [True] * count + [False] * count, sensitivity)
    assert sensitivity - 1e-9 <= reached < sensitivity + 1 / count + 1e-9


def test_risk_grows_with_coverage_where_the_score_is_right():
    coverage, risk, area = risk_coverage([0.4, 0.0, 0.2], [0.1, 0.9, 0.5])
    assert coverage == pytest.approx([1 / 3, 2 / 3, 1])
    assert risk == pytest.approx([0, 0.1, 0.2])
    assert area == pytest.approx(0.1)


def test_cases_of_equal_score_count_alike_in_any_order():
    first, second = (risk_coverage(risk, [1, 1, 1, 0])[1] for risk in ([0.0, 0.3, 0.6, 1.0], [0.6, 0.0, 0.3, 1.0]))
    assert first == pytest.approx([0.3, 0.3, 0.3, 0.475])
    assert second == pytest.approx(first)


@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("measure", [auroc, false_positive_rate])
def test_cases_of_one_kind_cannot_be_told_apart(measure, truth):
    with pytest.raises(DataError, match="positive and negative cases, got 2 that are all"):
        measure([0.1, 0.2], [truth, truth])


@pytest.mark.parametrize("measure", [auroc, false_positive_rate, risk_coverage])
@pytest.mark.parametrize(
    ("scores", "others", "told"),
    [
        ([0.1, math.nan], [0, 1], "expected a finite"),
        ([0.1, math.inf], [0, 1], "expected a finite"),
        ([0.1], [0, 1], "for each case and at least one, got"),
        ([], [], "for each case and at least one, got 0"),
    ],
)
def test_scores_that_cannot_be_ranked_are_refused(measure, scores, others, told):
    with pytest.raises(DataError, match=told):
        measure(scores, others)


@pytest.mark.parametrize("sensitivity", [0, -1, 1.5, math.nan])
def test_a_sensitivity_that_is_none_is_refused(sensitivity):
    with pytest.raises(DataError, match="expected a sensitivity above 0"):
        false_positive_rate([0.1, 0.2], [0, 1], sensitivity)
