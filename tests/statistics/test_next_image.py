"""Tests of the chances by which the next image to label is drawn."""

import numpy as np
import pytest

from monai_vlsm.statistics.next_image import (
    STRATEGIES,
    Seen,
    draw,
    foreground_chances,
    mean_entropy,
    uncertain_chances,
)

NOTHING, FAINT, CLEAR = Seen(0.1, 0.01), Seen(0.6, 0.04), Seen(0.9, 0.02)


def test_entropy_is_one_bit_where_a_pixel_could_be_either_and_none_where_it_is_sure():
    assert mean_entropy(np.array([[0.5, 0.5]])) == pytest.approx(1)
    assert mean_entropy(np.array([[0.0, 1.0]])) == pytest.approx(0, abs=1e-4)
    assert mean_entropy(np.array([[0.5, 0.0]])) == pytest.approx(0.5, abs=1e-4)


def test_an_image_has_the_chance_of_its_presence_and_none_where_nothing_is_seen():
    assert foreground_chances([NOTHING, FAINT, CLEAR]).tolist() == [0, 0.6, 0.9]


def test_where_nothing_is_seen_in_any_image_all_have_the_same_chance():
    assert foreground_chances([NOTHING, NOTHING]).tolist() == [1, 1]


def test_the_more_uncertain_image_has_the_higher_chance():
    chances = uncertain_chances([NOTHING, CLEAR, FAINT])
    assert chances.tolist() == sorted(chances)


def test_choices_follow_the_entropy_more_closely_with_more_labels():
    early, late = (uncertain_chances([CLEAR, FAINT], labels) for labels in (0, 100))
    assert early[1] / early[0] == pytest.approx(2)
    assert late[1] / late[0] == pytest.approx(64)


@pytest.mark.parametrize("chances", STRATEGIES.values(), ids=STRATEGIES)
def test_an_image_that_was_not_looked_at_has_the_mean_chance(chances):
    known = chances([FAINT, CLEAR], 10)
    assert chances([FAINT, None, CLEAR], 10)[1] == pytest.approx(known.mean())


@pytest.mark.parametrize("chances", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("seen", [[None, None], [Seen(0.0, 0.0), Seen(0.0, 0.0)]], ids=["not looked at", "empty"])
def test_without_knowledge_all_images_have_the_same_chance(chances, seen):
    assert chances(seen, 1000).tolist() == [1, 1]


def test_images_are_drawn_by_their_chances():
    rng = np.random.default_rng(0)
    drawn = np.bincount([draw(np.array([0.0, 1.0, 3.0]), rng) for _ in range(400)], minlength=3)
    assert drawn[0] == 0
    assert drawn[2] / drawn[1] == pytest.approx(3, rel=0.3)


def test_any_image_is_drawn_where_all_chances_are_none():
    rng = np.random.default_rng(0)
    assert {draw(np.zeros(3), rng) for _ in range(50)} == {0, 1, 2}
