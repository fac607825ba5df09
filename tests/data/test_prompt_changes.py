"""Tests of prompts that say less than is known of an image, or something else."""

import pytest

from monai_vlsm.data.prompt_changes import (
    ATTRIBUTES,
    denied,
    with_opposite_side,
    with_other_number,
    with_other_size,
    without,
)

PHRASE = "one small round polyp, located in top left of the image"
SENTENCE = "Two small, large irregular-shaped tumors at the top, right in the breast ultrasound image."


@pytest.mark.parametrize(
    ("prompt", "attribute", "expected"),
    [
        (PHRASE, "location", "one small round polyp"),
        (PHRASE, "size", "one round polyp, located in top left of the image"),
        (PHRASE, "number", "small round polyp, located in top left of the image"),
        (PHRASE, "shape", "one small polyp, located in top left of the image"),
        (SENTENCE, "location", "Two small, large irregular-shaped tumors in the breast ultrasound image."),
        (SENTENCE, "size", "Two irregular-shaped tumors at the top, right in the breast ultrasound image."),
        (SENTENCE, "number", "Small, large irregular-shaped tumors at the top, right in the breast ultrasound image."),
        (SENTENCE, "shape", "Two small, large tumors at the top, right in the breast ultrasound image."),
        ("one small polyp, located in top, bottom right of the image", "location", "one small polyp"),
        ("MRI reveals a glioma in the left region", "location", "MRI reveals a glioma"),
        ("two infected areas, upper left lung and lower right lung.", "location", "two infected areas."),
    ],
)
def test_an_attribute_is_left_out(prompt, attribute, expected):
    assert without(prompt, attribute) == expected


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("prompt", ["polyp", "", "left ventricular cavity", "small bowel", "No tumor in the image."])
def test_where_an_attribute_is_not_told_there_is_no_prompt_without_it(prompt, attribute):
    assert without(prompt, attribute) is None


@pytest.mark.parametrize(
    ("change", "prompt", "expected"),
    [
        (with_opposite_side, PHRASE, "one small round polyp, located in bottom right of the image"),
        (with_opposite_side, "Tumor at the top, right in it.", "Tumor at the bottom, left in it."),
        (
            with_opposite_side,
            "left ventricle, located in left of the image",
            "left ventricle, located in right of the image",
        ),
        (with_other_size, PHRASE, "one large round polyp, located in top left of the image"),
        (with_other_size, "Large mass, medium cyst", "Small mass, tiny cyst"),
        (with_other_number, PHRASE, "three small round polyp, located in top left of the image"),
        (with_other_number, "Twenty-one cells", "Twenty-three cells"),
        (denied, "polyp", "no polyp"),
        (denied, "Tumor in the image.", "No tumor in the image."),
        (denied, "MRI of a glioma", "No MRI of a glioma"),
    ],
)
def test_a_prompt_says_something_else(change, prompt, expected):
    assert change(prompt) == expected


@pytest.mark.parametrize(
    ("change", "prompt"),
    [
        (with_opposite_side, "polyp in the center of the image"),
        (with_opposite_side, "left ventricle"),
        (with_other_size, "small bowel"),
        (with_other_number, "polyp"),
        (denied, "No tumor in the image."),
        (denied, "no polyp"),
        (denied, ""),
        (denied, "  "),
    ],
)
def test_what_says_nothing_of_the_kind_is_not_changed(change, prompt):
    assert change(prompt) is None
