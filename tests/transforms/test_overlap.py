"""Several masks in one label map."""

from __future__ import annotations

import pytest
import torch

from monai_vlsm.transforms.overlap import merge_labels

DISC = torch.tensor([0.9, 0.9, 0.8, 0.2])
CUP = torch.tensor([0.1, 0.6, 0.9, 0.1])


def merged(*probabilities, values=(1, 2), paint=None, threshold=0.5):
    masks = [probability >= threshold for probability in probabilities]
    return merge_labels(probabilities, masks, values, paint).tolist()


def test_the_highest_probability_wins_and_nothing_is_background():
    assert merged(DISC, CUP) == [1, 1, 2, 0]


def test_what_is_painted_later_covers_what_is_painted_earlier():
    assert merged(DISC, CUP, paint=[0, 1]) == [1, 2, 2, 0]
    assert merged(DISC, CUP, paint=[1, 0]) == [1, 1, 1, 0]


def test_what_has_no_place_in_the_order_lies_below_what_has_one():
    assert merged(DISC, CUP, paint=[1]) == [1, 2, 2, 0]


def test_a_high_probability_outside_of_its_mask_does_not_count():
    masks = [torch.tensor([False]), torch.tensor([True])]
    assert merge_labels([torch.tensor([0.9]), torch.tensor([0.6])], masks, [1, 2]).tolist() == [2]


def test_of_equal_probabilities_the_first_prompt_counts():
    assert merged(DISC, DISC) == [1, 1, 1, 0]


def test_a_mask_of_probability_zero_is_still_a_mask():
    assert merged(torch.zeros(2), values=(7,), threshold=0) == [7, 7]


@pytest.mark.parametrize(("value", "dtype"), [(255, torch.uint8), (256, torch.uint16), (65535, torch.uint16)])
def test_values_above_255_take_16_bits(value, dtype):
    found = merge_labels([DISC], [DISC >= 0.5], [value])
    assert found.dtype == dtype
    assert found.tolist() == [value, value, value, 0]


@pytest.mark.parametrize("value", [0, -1, 65536])
def test_a_value_that_a_label_map_has_no_room_for_is_refused(value):
    with pytest.raises(ValueError, match="values from 1 to 65535"):
        merge_labels([DISC], [DISC >= 0.5], [value])
