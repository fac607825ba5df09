"""Tests of data/splits.py."""

import itertools
import random
from collections import Counter

import pytest

from monai_vlsm.data.datalist import SPLITS
from monai_vlsm.data.splits import nested_subset, split_groups
from monai_vlsm.errors import DataError

PATIENTS = [f"patient{number}" for number in range(100) for _ in range(1 + number % 7)]
EMPTY = [index % 5 == 0 for index in range(len(PATIENTS))]
IMAGES = [f"image{number}" for number in range(1000)]


def test_a_group_stays_in_one_split():
    splits = split_groups(PATIENTS, EMPTY)
    assert len(set(zip(PATIENTS, splits, strict=True))) == 100


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.1), (0.7, 0.1, 0.2), (0.34, 0.33, 0.33)])
def test_shares_of_items_are_close_to_the_fractions(fractions):
    counts = Counter(split_groups(PATIENTS, EMPTY, fractions))
    assert [counts[split] / len(PATIENTS) for split in SPLITS] == pytest.approx(fractions, abs=0.01)


def test_shares_are_exact_where_every_item_is_its_own_group():
    counts = Counter(split_groups(IMAGES, [False] * 1000))
    assert counts == {"training": 800, "validation": 100, "test": 100}


def test_a_group_larger_than_a_small_split_goes_into_training():
    groups = ["large"] * 50 + [f"small{number}" for number in range(50)]
    splits = split_groups(groups, [False] * 100)
    assert splits[0] == "training"
    assert Counter(splits) == {"training": 80, "validation": 10, "test": 10}


@pytest.mark.parametrize("seed", range(5))
def test_empty_masks_are_shared_out_alike(seed):
    splits = split_groups(PATIENTS, EMPTY, seed=seed)
    shares = [
        sum(empty for empty, found in zip(EMPTY, splits, strict=True) if found == split) / splits.count(split)
        for split in SPLITS
    ]
    assert shares == pytest.approx([0.2] * 3, abs=0.05)


@pytest.mark.parametrize("count", [3, 4, 5, 9])
@pytest.mark.parametrize("seed", range(5))
def test_every_split_gets_a_group(count, seed):
    assert set(split_groups([f"case{number}" for number in range(count)], [False] * count, seed=seed)) == set(SPLITS)


def test_every_split_gets_a_group_beside_a_huge_one():
    groups = ["huge"] * 1000 + ["a", "b"]
    splits = split_groups(groups, [False] * 1002)
    assert splits[0] == "training"
    assert set(splits[-2:]) == {"validation", "test"}


def test_the_order_of_items_does_not_matter():
    order = list(range(len(PATIENTS)))
    random.Random(0).shuffle(order)
    splits = split_groups(PATIENTS, EMPTY)
    shuffled = split_groups([PATIENTS[i] for i in order], [EMPTY[i] for i in order])
    assert shuffled == [splits[i] for i in order]


def test_a_seed_gives_the_same_split_again():
    assert split_groups(PATIENTS, EMPTY, seed=3) == split_groups(PATIENTS, EMPTY, seed=3)


def test_another_seed_gives_another_split():
    assert split_groups(IMAGES, [False] * 1000, seed=0) != split_groups(IMAGES, [False] * 1000, seed=1)


def test_a_fraction_of_zero_leaves_a_split_out():
    assert Counter(split_groups(IMAGES, [False] * 1000, (0.9, 0.1, 0))) == {"training": 900, "validation": 100}


def test_two_groups_are_enough_for_two_splits():
    assert set(split_groups(["a", "b"], [False, False], (0.5, 0.5, 0))) == {"training", "validation"}


def test_fewer_groups_than_splits_are_refused_and_named():
    with pytest.raises(DataError, match=r"at least 3 groups.*got 2: 'a', 'b'"):
        split_groups(["a", "b", "a"], [False] * 3)


@pytest.mark.parametrize("fractions", [(0.8, 0.1, 0.2), (1.1, -0.1, 0), (0.5, 0.5)])
def test_fractions_that_are_none_are_refused(fractions):
    with pytest.raises(DataError, match="add up to 1"):
        split_groups(IMAGES, [False] * 1000, fractions)


def test_groups_and_masks_of_different_number_are_refused():
    with pytest.raises(DataError, match="3 groups of 2 items"):
        split_groups(["a", "b", "c"], [False, False])


@pytest.mark.parametrize(
    ("count", "fraction", "kept"), [(10, 0.1, 1), (10, 0.11, 2), (100, 0.07, 7), (3, 0.5, 2), (7, 1, 7), (5, 0.001, 1)]
)
def test_a_subset_has_the_fraction_rounded_up(count, fraction, kept):
    assert len(nested_subset(IMAGES[:count], fraction, seed=0)) == kept


def test_a_smaller_subset_lies_in_a_larger_one():
    subsets = [nested_subset(IMAGES, fraction, seed=0) for fraction in (0.01, 0.1, 0.25, 0.5, 1)]
    assert all(small < large for small, large in itertools.pairwise(subsets))
    assert subsets[-1] == set(IMAGES)


def test_a_subset_does_not_depend_on_order_or_repetition():
    assert nested_subset([*reversed(IMAGES), *IMAGES], 0.3, seed=0) == nested_subset(IMAGES, 0.3, seed=0)


def test_another_seed_gives_another_subset():
    assert nested_subset(IMAGES, 0.3, seed=0) != nested_subset(IMAGES, 0.3, seed=1)


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(DataError, match="above 0 and at most 1"):
        nested_subset(IMAGES, fraction, seed=0)
