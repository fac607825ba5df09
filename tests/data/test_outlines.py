"""Masks made smaller and larger, compared with scipy."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, binary_erosion

from monai_vlsm.data.outlines import box_around, dilated, eroded

SHAPES = [(1, 1), (1, 9), (7, 2), (23, 31), (5, 6, 7), (1, 4, 4)]


def random_mask(shape, fraction=0.8):
    return np.random.default_rng(sum(shape)).random(shape) < fraction


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("border", [False, True])
@pytest.mark.parametrize("fraction", [0, 0.8, 1])
def test_a_mask_is_eroded_as_by_scipy(shape, border, fraction):
    mask = random_mask(shape, fraction)
    np.testing.assert_array_equal(eroded(mask, border), binary_erosion(mask, border_value=border))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pixels", [1, 3])
def test_a_mask_is_dilated_as_by_scipy(shape, pixels):
    mask = random_mask(shape, 0.1)
    np.testing.assert_array_equal(dilated(mask, pixels), binary_dilation(mask, iterations=pixels))


def test_the_mask_itself_is_not_changed():
    mask = np.ones((4, 5), dtype=bool)
    eroded(mask), dilated(mask, 1)
    assert mask.all()


@pytest.mark.parametrize(("margin", "shape"), [(0, (3, 2, 1)), (1, (5, 3, 3)), (100, (9, 8, 7))])
def test_the_box_holds_the_mask_and_its_margin(margin, shape):
    mask = np.zeros((9, 8, 7), dtype=bool)
    mask[4:7, 6:8, 3] = True
    assert mask[box_around(mask, margin)].shape == shape
    assert mask[box_around(mask, margin)].sum() == mask.sum()


def test_the_box_around_nothing_is_empty():
    assert np.ones((4, 5))[box_around(np.zeros((4, 5), dtype=bool), 2)].size == 0
