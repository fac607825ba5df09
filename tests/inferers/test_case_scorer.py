"""Tests of how sure a network is of a case, on masks that can be counted by hand."""

import math

import pytest
import torch

from monai_vlsm.inferers.case_scorer import CaseScorer


def logits(*rows):
    """Return (1, 1, 2, 2) for each row of four probabilities."""
    return [torch.tensor(row, dtype=torch.float64).logit().float().view(1, 1, 2, 2) for row in rows]


def scored(*parts, limit=0.0):
    scorer = CaseScorer(limit)
    for part in parts:
        scorer.add(part)
    return scorer


ONE, TWO, NONE = [0.9, 0.1, 0.1, 0.1], [0.9, 0.7, 0.1, 0.1], [0.2, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([ONE, ONE], 1),
        ([ONE, TWO], 2 / 3),
        ([ONE, NONE], 0),
        ([NONE, NONE], 1),
        ([ONE, TWO, NONE], (2 / 3 + 0 + 0) / 3),
        ([NONE, NONE, ONE], (1 + 0 + 0) / 3),
    ],
)
def test_agreement_is_the_mean_dice_of_all_pairs(masks, expected):
    assert scored(logits(*masks)).agreement() == pytest.approx(expected)


def test_a_mask_alone_agrees_with_nothing():
    assert math.isnan(scored(logits(ONE)).agreement())


@pytest.mark.parametrize(("mask", "expected"), [(ONE, 0.9), (TWO, 0.8), (NONE, 0.8)])
def test_mean_probability_is_that_of_the_mask_or_of_the_most_likely_pixel_being_none(mask, expected):
    assert scored(logits(mask, ONE)).mean_probability() == pytest.approx(expected)


def test_a_limit_decides_what_is_mask():
    scorer = scored(logits(TWO, ONE), limit=math.log(0.8 / 0.2))
    assert scorer.agreement() == 1
    assert scorer.mean_probability() == pytest.approx(0.9)


def test_the_parts_of_a_volume_count_as_one():
    """Masks of 1 and 2 pixels that share 1, then 2 and 0: 2 * 1 / (3 + 2); not the mean of 2 / 3 and 0."""
    scorer = scored(logits(ONE, TWO), logits(TWO, NONE))
    assert scorer.agreement() == pytest.approx(2 * 1 / (3 + 2))
    assert scorer.mean_probability() == pytest.approx((0.9 + 0.9 + 0.7) / 3)


def test_slices_of_one_part_count_as_those_of_several():
    together = scored([torch.cat(pair) for pair in zip(logits(ONE, TWO), logits(TWO, NONE), strict=True)])
    assert together.agreement() == pytest.approx(2 * 1 / (3 + 2))


def test_counts_of_large_pictures_are_exact():
    picture = torch.full((1, 1, 2048, 2048), 9.0)
    other = picture.clone()
    other[0, 0, 0, 0] = -9
    pixels = 2048**2
    assert scored([picture, other]).agreement() == 2 * (pixels - 1) / (2 * pixels - 1)
