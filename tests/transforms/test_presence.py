"""One number that says how strongly a network sees something."""

import pytest
import torch
from monai.data import MetaTensor

from monai_vlsm.transforms import EmptyAbsentd, ScorePresenced, presence_score


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


def found_mask(presence: float, **request: float | None) -> dict:
    mask = MetaTensor(torch.ones(1, 4, 4), meta={"filename_or_obj": "scan.png", "prompt": "cyst"})
    return EmptyAbsentd("pred", min_presence=0.4)({"pred": mask, "presence": presence, **request})


def test_the_presence_of_logits_is_added():
    score = ScorePresenced("pred", lambda score: score / 10)
    logits = torch.full((1, 8, 8), 3.0)
    found = score({"pred": logits})
    assert found["presence"] == pytest.approx(0.3)
    assert found["pred"] is logits


@pytest.mark.parametrize(("presence", "pixels"), [(0.39, 0), (0.4, 16)])
def test_a_mask_is_emptied_below_the_least_presence_only(presence, pixels):
    found = found_mask(presence)
    assert found["pred"].sum() == pixels
    assert found["emptied"] == (pixels == 0)


def test_an_emptied_mask_is_told_with_image_prompt_and_presence(caplog):
    found_mask(0.25)
    assert "scan.png: 'cyst' is probably not there (presence 0.250, below 0.400)" in caplog.text


@pytest.mark.parametrize(("asked", "emptied"), [(None, True), (0, False), (0.2, False), (0.3, True)])
def test_what_a_request_asks_for_counts_before_the_setting(asked, emptied):
    assert found_mask(0.25, min_presence=asked)["emptied"] is emptied
