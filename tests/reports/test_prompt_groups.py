"""Tests of what images are asked."""

import numpy as np
import pytest
from PIL import Image

from monai_vlsm.errors import DataError
from monai_vlsm.reports.prompt_groups import ABOUT, FULL, NOTHING, Questions, richest_level


def entry(folder, image, label, name, full, filled=True):
    Image.fromarray(np.full((4, 4), 255 * filled, dtype=np.uint8)).save(folder / label)
    prompts = {"p0": [""], "p1": [name], "p6": [full]}
    return {"image": str(folder / image), "label": str(folder / label), "prompts": prompts}


@pytest.fixture
def entries(tmp_path):
    return [
        entry(tmp_path, "a.png", "a_cyst.png", "cyst", "one small round cyst, located in left of the image"),
        entry(tmp_path, "a.png", "a_mass.png", "mass", "two large masses, located in top of the image"),
        entry(tmp_path, "b.png", "b_cyst.png", "cyst", "one tiny cyst, located in center of the image"),
        entry(tmp_path, "c.png", "c_mass.png", "mass", "no mass", filled=False),
    ]


def asked(questions, number):
    return {question.group: question.prompt for question in reversed(questions.of(number))}


def test_a_case_is_asked_for_everything_its_prompts_allow(entries):
    found = asked(Questions(entries, "p6"), 0)
    assert found.pop("paraphrase") == "1 little circular cyst, situated in left of the image"
    assert found.pop("not there")
    assert found == {
        FULL: "one small round cyst, located in left of the image",
        "p1": "cyst",
        "without location": "one small round cyst",
        "without size": "one round cyst, located in left of the image",
        "without number": "small round cyst, located in left of the image",
        "without shape": "one small cyst, located in left of the image",
        "opposite side": "one small round cyst, located in right of the image",
        "other size": "one large round cyst, located in left of the image",
        "other number": "three small round cyst, located in left of the image",
        "other case": "one tiny cyst, located in center of the image",
        "denied": "no cyst",
        "empty": "",
    }


def test_the_full_prompt_comes_first(entries):
    assert [Questions(entries, "p6").of(number)[0].group for number in range(4)] == [FULL] * 4


def test_a_class_that_the_image_does_not_show_is_another_one(entries):
    assert asked(Questions(entries, "p6"), 2)["other class"] == "mass"


def test_what_is_not_there_has_an_empty_mask(entries):
    questions = Questions(entries, "p6")
    wrong = {question.group for number in range(4) for question in questions.of(number) if not question.is_there}
    assert wrong == NOTHING


def test_what_no_image_shows_shares_no_word_with_the_classes(entries):
    for item in entries:
        item["prompts"]["p1"] = ["kidney stone"]
    found = {asked(Questions(entries, "p6"), number)["not there"] for number in range(4)}
    assert found
    assert not any({"kidney", "stone"} & set(text.split()) for text in found)


def test_all_groups_have_a_place(entries):
    questions = Questions(entries, "p6", {"mine": {"a.png": "a cyst"}})
    found = {question.group for number in range(4) for question in questions.of(number)}
    assert found <= set(questions.groups)
    assert set(questions.groups) == {*ABOUT, "p1", "mine"}


def test_further_prompts_belong_to_the_image_or_mask_of_their_name(entries):
    questions = Questions(entries, "p6", {"mine": {"b.png": "by image", "c_mass.png": "by mask", "z.png": "of none"}})
    assert [asked(questions, number).get("mine") for number in range(4)] == [None, None, "by image", "by mask"]


def test_levels_may_be_called_otherwise(entries):
    assert asked(Questions(entries, "p6", names={"p1": "short"}), 0)["short"] == "cyst"


def test_an_entry_without_the_level_is_named(entries):
    with pytest.raises(DataError, match=r"prompt level 'p4' is not in the datalist entry of '.*a\.png', it has"):
        Questions(entries, "p4")


@pytest.mark.parametrize("name", ["p1", "p99", FULL, "not there"])
def test_further_prompts_have_a_name_of_their_own(entries, name):
    with pytest.raises(DataError, match=f"'{name}' is the name of a group already"):
        Questions(entries, "p6", {name: {}})


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([["p0", "p1", "p6", "p7"]], "p6"), ([["p1", "p6"], ["p1", "p2"]], "p1"), ([["p2"]], "p2")],
)
def test_the_richest_level_is_one_that_all_have(levels, expected):
    assert richest_level([{"prompts": {level: ["x"] for level in found}} for found in levels]) == expected


@pytest.mark.parametrize("prompts", [{}, None, {"p0": [""]}])
def test_without_a_common_level_there_is_none(prompts):
    with pytest.raises(DataError, match="no prompt level in common"):
        richest_level([{"prompts": {"p1": ["x"]}}, {"prompts": prompts}])
