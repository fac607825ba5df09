"""What an image does not show: classes of other images, and things that no image of the set shows."""

import numpy as np
import pytest
from PIL import Image

from monai_vlsm.data import AbsentPrompts, absent_entries
from monai_vlsm.data.absent import MOST_CLASSES, absent_wordings, is_empty_mask
from monai_vlsm.data.sets import BUNDLES
from monai_vlsm.errors import DataError


@pytest.fixture
def masks(tmp_path):
    for name, value in (("full", 255), ("empty", 0)):
        Image.fromarray(np.full((4, 4), value, np.uint8)).save(tmp_path / f"{name}.png")
    return {name: str(tmp_path / f"{name}.png") for name in ("full", "empty")}


def entry(image, label, name, **more):
    return {"image": image, "label": label, "prompts": {"p1": [name], "p2": [f"one {name}"]}, **more}


def test_an_image_does_not_show_the_classes_of_other_images(masks):
    absent = AbsentPrompts([entry("a", masks["full"], "cyst"), entry("b", masks["full"], "mass")])
    assert (absent.of("a"), absent.of("b")) == (["mass"], ["cyst"])


def test_an_image_with_two_entries_shows_both_classes(masks):
    two = [entry("a", masks["full"], "cyst"), entry("a", masks["full"], "mass")]
    assert AbsentPrompts(two).of("a") == []


def test_an_empty_mask_shows_nothing_and_lends_no_words(masks):
    absent = AbsentPrompts([entry("a", masks["empty"], "No tumor"), entry("b", masks["full"], "Tumor")])
    assert absent.of("a") == ["Tumor"]
    assert list(absent.donors) == ["Tumor"]


@pytest.mark.parametrize(
    ("shown", "other"), [("polyp", "neoplastic polyp"), ("benign tumors", "tumor"), ("Polyp", "polyp.")]
)
def test_a_kind_of_what_is_shown_is_not_absent(masks, shown, other):
    assert AbsentPrompts([entry("a", masks["full"], shown), entry("b", masks["full"], other)]).of("a") == []


def test_a_sentence_of_its_own_for_every_image_is_no_class(masks):
    described = [entry(f"image {n}", masks["full"], f"thing{'x' * n}") for n in range(MOST_CLASSES + 1)]
    assert AbsentPrompts(described).of("image 1") == []


def test_an_image_is_asked_for_each_absent_class_and_for_one_thing_that_none_shows(masks):
    entries = [entry("a", masks["full"], "cyst", group="patient 1"), entry("b", masks["full"], "mass")]
    asked = absent_entries(entries, ["kidney", "tooth"])
    assert [(e["image"], e["prompts"]["p1"][0], e.get("group")) for e in asked] == [
        ("a", "mass", "patient 1"),
        ("a", "kidney", "patient 1"),
        ("b", "cyst", None),
        ("b", "tooth", None),
    ]
    assert {e["label"] for e in asked} == {""}
    assert all(set(e["prompts"]) >= {"p1", "p2"} for e in asked)


def test_what_an_empty_mask_asks_for_already_is_not_asked_twice(masks):
    entries = [entry("a", masks["empty"], "cyst"), entry("b", masks["full"], "cyst")]
    assert absent_entries(entries) == []


def test_an_entry_without_prompts_names_no_class(masks):
    assert absent_entries([{"image": "a", "label": masks["full"]}], ["tooth"])[0]["prompts"] == {"p1": ["tooth"]}


def test_a_damaged_mask_is_named(tmp_path):
    (tmp_path / "mask.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"mask\.png"):
        is_empty_mask(str(tmp_path / "mask.png"))


def test_a_medical_mask_counts_as_not_empty(tmp_path):
    assert not is_empty_mask(str(tmp_path / "mask.nii.gz"))


def test_what_a_set_is_about_is_not_among_its_absent_things():
    assert "left ventricle" in absent_wordings("breast ultrasound", "Tumor in the breast ultrasound image.")
    assert "left ventricle" not in absent_wordings("cardiac ultrasound", "left ventricular cavity", "left atrium")


@pytest.mark.parametrize("name", BUNDLES)
def test_every_bundle_has_things_that_its_images_do_not_show(name):
    assert len(BUNDLES[name].absent_prompts) >= 3
