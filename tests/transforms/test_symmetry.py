"""Tests of pictures that are mirrored and turned with their prompts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_vlsm.data.prompts import prompts_from_mask
from monai_vlsm.transforms import RandSymmetryd

MASK = np.zeros((30, 30), np.uint8)
MASK[2:8, 3:9] = 1


def item(prompt):
    return {
        "image": torch.from_numpy(MASK * 200).expand(3, -1, -1),
        "label": torch.from_numpy(MASK)[None],
        "prompt": prompt,
    }


def drawn(prompt, seed):
    return RandSymmetryd().set_random_state(seed)(item(prompt))


def test_all_eight_ways_are_drawn():
    picture = torch.arange(9, dtype=torch.uint8).view(1, 3, 3)
    transform = RandSymmetryd("image").set_random_state(0)
    assert (
        len({tuple(transform({"image": picture, "prompt": ""})["image"].flatten().tolist()) for _ in range(200)}) == 8
    )


@pytest.mark.parametrize("seed", range(8))
def test_picture_mask_and_prompt_move_together(seed):
    result = drawn(prompts_from_mask(MASK, "polyp")["p6"][0], seed)
    mask = result["label"][0]
    assert (result["image"] == mask * 200).all()
    assert result["prompt"] == prompts_from_mask(mask.numpy(), "polyp")["p6"][0]


@pytest.mark.parametrize("seed", range(8))
def test_a_picture_stays_where_its_prompt_cannot_go_along(seed):
    result, before = drawn("left kidney", seed), item("left kidney")
    assert result["prompt"] == before["prompt"]
    assert torch.equal(result["image"], before["image"])


def test_what_a_cache_keeps_is_not_written_to():
    before = item("polyp, located in top left of the image")
    kept = {key: before[key].clone() for key in ("image", "label")}
    for seed in range(8):
        result = RandSymmetryd().set_random_state(seed)(before)
        assert result is not before
    assert all(torch.equal(before[key], tensor) for key, tensor in kept.items())
    assert before["prompt"].endswith("top left of the image")
