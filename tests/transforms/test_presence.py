"""One number that says how strongly a network sees something."""

import pytest
import torch
from monai.data import MetaTensor

from monai_vlsm.transforms import presence_score


def test_is_the_mean_of_the_highest_three_of_a_thousand():
    logits = torch.zeros(1, 40, 25)
    logits[0, 3, 4], logits[0, 7, 7], logits[0, 9, 9], logits[0, 0, 0] = 6, 5, 4, -9
    assert presence_score(logits) == 5


def test_of_a_volume_counts_the_slice_that_shows_most():
    volume = torch.full((1, 10, 10, 3), -4.0)
    volume[0, 5, 5, 1] = 3
    assert presence_score(volume) == 3


def test_of_a_large_image_is_nearly_that_of_the_small_one_it_was_made_from():
    small = torch.randn(1, 1, 22, 22, generator=torch.Generator().manual_seed(0))
    small, large = (
        torch.nn.functional.interpolate(small, size, mode="bilinear")[0] for size in ((352, 352), (2400, 3000))
    )
    assert presence_score(large) == pytest.approx(presence_score(small), rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 64), (64, 1), (1, 64, 1, 2), (1, 1, 1, 1)])
def test_takes_the_smallest_images_there_are(shape):
    assert presence_score(MetaTensor(torch.full(shape, 2.0))) == 2


def test_refuses_an_image_without_pixels():
    with pytest.raises(ValueError, match="must have pixels"):
        presence_score(torch.zeros(1, 0, 5))
