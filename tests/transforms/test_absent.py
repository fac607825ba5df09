"""Prompts for what is not there, in training and in evaluation."""

from collections import Counter

import pytest
import torch
from PIL import Image

from monai_vlsm.data import AbsentPrompts
from monai_vlsm.transforms import LoadImageAnyd, LoadMaskd, SelectPromptd, SelectPromptOrAbsentd
from monai_vlsm.transforms.prompt import NAME

PROMPTS = {"p0": [""], "p1": ["cyst"], "p2": ["one cyst"]}


@pytest.fixture
def absent():
    masses = [{"image": "b", "label": "m.nii", "prompts": {"p0": [""], "p1": ["mass"], "p2": ["two masses"]}}]
    return AbsentPrompts([{"image": "a", "label": "c.nii", "prompts": PROMPTS}, *masses], ["tooth"])


def item():
    return {NAME: "a", "prompts": PROMPTS, "label": torch.ones(1, 2, 2)}


def drawn(select, times):
    return [select(item()) for _ in range(times)]


def test_a_fifth_of_the_draws_ask_for_what_is_not_there(absent):
    select = SelectPromptOrAbsentd("random", "", 0.2, absent).set_random_state(0)
    found = Counter((result["prompt"], bool(result["label"].any())) for result in drawn(select, 2000))
    vain = {prompt: count for (prompt, full), count in found.items() if not full}
    assert set(vain) == {"mass", "two masses", "tooth"}
    assert sum(vain.values()) / 2000 == pytest.approx(0.2, abs=0.03)
    assert {prompt for prompt, full in found if full} == {"cyst", "one cyst"}


def test_the_level_is_the_one_that_was_asked_for(absent):
    select = SelectPromptOrAbsentd("p2", "", 1.0, absent).set_random_state(0)
    assert {result["prompt"] for result in drawn(select, 50)} == {"two masses", "tooth"}


def test_a_mask_that_is_kept_for_later_epochs_stays_as_it_is(absent):
    kept = item()
    assert not SelectPromptOrAbsentd("p1", "", 1.0, absent).set_random_state(0)(kept)["label"].any()
    assert kept["label"].all()


def test_without_anything_absent_the_prompt_is_the_images_own():
    select = SelectPromptOrAbsentd("p1", "", 1.0, AbsentPrompts([{"image": "a", "label": "c.nii", "prompts": PROMPTS}]))
    result = select.set_random_state(0)(item())
    assert result["prompt"] == "cyst"
    assert result["label"].all()


def test_an_entry_without_prompts_is_asked_for_what_no_image_shows():
    select = SelectPromptOrAbsentd("random", "polyp", 1.0, AbsentPrompts([], ["tooth"])).set_random_state(0)
    assert select({NAME: "a", "label": torch.ones(1, 2, 2)})["prompt"] == "tooth"


def test_at_fraction_0_every_prompt_is_the_images_own(absent):
    select = SelectPromptOrAbsentd("p1", "", 0.0, absent).set_random_state(0)
    assert [r["prompt"] for r in drawn(select, 20)] == [SelectPromptd("p1")(item())["prompt"]] * 20


def test_a_label_without_file_is_an_empty_mask_of_the_images_size(tmp_path):
    Image.new("L", (5, 3)).save(tmp_path / "image.png")
    loaded = LoadMaskd("label")(LoadImageAnyd("image")({"image": str(tmp_path / "image.png"), "label": ""}))
    assert loaded["label"].shape == (1, 5, 3)
    assert not loaded["label"].any()
    assert loaded["label"].meta["filename_or_obj"] == ""
