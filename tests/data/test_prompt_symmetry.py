"""Tests of prompts that go along when a picture is mirrored or turned."""

from __future__ import annotations

import json

import numpy as np
import pytest

from monai_vlsm.data.datalist import load_datalist
from monai_vlsm.data.pictures import mask_values, open_picture
from monai_vlsm.data.prompt_symmetry import SYMMETRIES, Symmetry
from monai_vlsm.data.prompts import describe_mask, prompts_from_mask

MIRRORED, OVERTURNED = Symmetry(True, 0), Symmetry(True, 2)
LEFT, RIGHT = Symmetry(False, 1), Symmetry(False, 3)
"""Quarter turns, counterclockwise and clockwise."""
CHANGES = SYMMETRIES[1:]


def moved(picture, symmetry):
    """Move a picture (H, W) by NumPy's own functions."""
    return np.rot90(np.fliplr(picture) if symmetry.mirrored else picture, symmetry.turns)


def disk(row, column):
    """A disk in one of the nine cells of a picture of 90 x 90 pixels."""
    y, x = np.mgrid[:90, :90]
    return (y - 15 - 30 * row) ** 2 + (x - 15 - 30 * column) ** 2 < 100


@pytest.mark.parametrize("symmetry", SYMMETRIES, ids=str)
@pytest.mark.parametrize("cell", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (1, 2)], ids=str)
def test_a_prompt_becomes_the_one_of_the_moved_mask(symmetry, cell):
    before, after = (prompts_from_mask(mask, "polyp")["p6"][0] for mask in (disk(*cell), moved(disk(*cell), symmetry)))
    assert symmetry.moved(before) == after


@pytest.mark.parametrize(
    ("symmetry", "prompt", "expected"),
    [
        (MIRRORED, "Two tumors at the top, right in the image.", "Two tumors at the top, left in the image."),
        (LEFT, "Two tumors at the top, right in the image.", "Two tumors at the left, top in the image."),
        (OVERTURNED, "Upper-left area of it.", "Lower-left area of it."),
        (RIGHT, "Upper-left area of it.", "Upper-right area of it."),
        (LEFT, "Left region contains a mass", "Bottom region contains a mass"),
        (LEFT, "mass in middle right", "mass in top middle"),
        (RIGHT, "mass in top center, seen", "mass in center right, seen"),
        (RIGHT, "of shape vertical, in the left of it", "of shape horizontal, in the top of it"),
        (MIRRORED, "of shape vertical", "of shape vertical"),
        (
            MIRRORED,
            "upper middle lower left lung and all right lung",
            "upper middle lower right lung and all left lung",
        ),
        (MIRRORED, "left ventricle, located in left of the image", "left ventricle, located in right of the image"),
        (LEFT, "Left atrium cavity in four-chamber view.", "Left atrium cavity in four-chamber view."),
        (RIGHT, "polyp with a bright spot in the center", "polyp with a bright spot in the center"),
        (RIGHT, "", ""),
        (MIRRORED, "the ventricle on the LEFT", "the ventricle on the Right"),
        (MIRRORED, "left atrium and right ventricle", "left atrium and right ventricle"),
        (OVERTURNED, "effusion in anteroposterior view", "effusion in anteroposterior view"),
    ],
)
def test_words_for_places_go_along_and_names_stay(symmetry, prompt, expected):
    assert symmetry.moved(prompt) == expected


@pytest.mark.parametrize("symmetry", CHANGES, ids=str)
@pytest.mark.parametrize(
    "prompt",
    [
        "left kidney",
        "polyp of shape right ear, located in top of the image",
        "right-sided effusion",
        "left_lung",
        "a nodule below the clavicle",
        "superior part of it",
        "lesion at 10 o'clock",
        "RUL opacity",
        "leftmost polyp",
        "polyp on the lefthand side",
        "Topmost nodule",
        "lesion north-west of the center",
        "up and to the side",
        "fold under the polyp",
        "the highest polyp",
        "10 o' clock",
        "superotemporal lesion",
        "L kidney",
        "(R) breast",
        "RML opacity",
        "taller-than-wide nodule",
        "Left and right ventricle",
        "left, right atrium",
        "ventricle, left",
        "atria (left)",
        "Polyp links oben im Bild",
        "Polyp AN DER LINKEN Seite",
        "polype, à gauche",
        "polyp слева",
    ],
)
def test_where_it_is_not_known_what_a_word_tells_the_picture_stays(symmetry, prompt):
    assert symmetry.moved(prompt) is None


@pytest.mark.parametrize("symmetry", [LEFT, RIGHT], ids=str)
@pytest.mark.parametrize("prompt", ["lower left lung", "upper middle left of it"])
def test_pictures_are_not_turned_where_there_is_no_word_for_the_new_place(symmetry, prompt):
    assert symmetry.moved(prompt) is None


def test_a_long_prompt_takes_no_longer_than_its_length():
    assert MIRRORED.moved("left " * 20_000 + "x") is None
    assert MIRRORED.moved("ventricle, then on the left, " * 5_000 + "x") is not None


@pytest.fixture(scope="module")
def published(shared_folder) -> set[str]:
    """All prompts that were published with naamiinepal/medvlsm."""
    texts: set[str] = set()
    for file in (shared_folder / "annotations" / "medvlsm").glob("*/anns/*.json"):
        for entry in json.loads(file.read_text(encoding="utf-8")):
            for prompts in entry["prompts"].values():
                texts.update([prompts] if isinstance(prompts, str) else prompts)
    if not texts:
        pytest.skip("no published prompts in the folder 'shared' beside the repository")
    return texts


@pytest.mark.parametrize(("symmetry", "back"), [(MIRRORED, MIRRORED), (LEFT, RIGHT)], ids=str)
def test_every_published_prompt_comes_back(published, symmetry, back):
    """Mirroring and a quarter turn; all others consist of them."""
    there = {prompt: symmetry.moved(prompt) for prompt in published}
    told = {prompt: other for prompt, other in there.items() if other is not None}
    assert len(told) > 0.99 * len(published) > 10_000
    assert any(other != prompt for prompt, other in told.items())
    assert [prompt for prompt, other in told.items() if back.moved(other) != prompt] == []


def test_published_places_are_those_of_the_moved_mask(shared_folder):
    """Of masks of which the published rule, which leans to the right, says the same as that by thirds of the width."""
    checked = 0
    for entry in load_datalist(shared_folder / "data" / "busi", "validation"):
        with open_picture(entry["label"]) as picture:
            mask = mask_values(picture) > 0
        found, prompt = describe_mask(mask), entry["prompts"]["p6"][0]
        if found.count and f"at the {', '.join(found.locations)} in" in prompt:
            for symmetry in CHANGES:
                places = set(describe_mask(moved(mask, symmetry)).locations)
                told = str(symmetry.moved(prompt)).partition("at the ")[2].partition(" in")[0]
                assert set(told.split(", ")) == places, (entry["label"], symmetry)
                checked += 1
    assert checked >= 3 * len(CHANGES)
