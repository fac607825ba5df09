"""Tests of custom_data/request.py."""

from pathlib import Path

import pytest

from monai_vlsm.custom_data import parse_classes
from monai_vlsm.errors import DataError


@pytest.mark.parametrize("name", ["My_polyps", "my-polyps", "my polyps", "", "../polyps", "pölyps", "_"])
def test_a_name_that_is_no_folder_name_everywhere_is_refused(ask, tmp_path, name):
    with pytest.raises(DataError, match="lower-case letters, digits and underscores"):
        ask(tmp_path, name=name)


@pytest.mark.parametrize("name", ["con", "aux", "lpt1", "a" * 101])
def test_a_name_that_some_system_cannot_store_is_refused(ask, tmp_path, name):
    with pytest.raises(DataError, match="at most 100 characters and not that of a device"):
        ask(tmp_path, name=name)


@pytest.mark.parametrize("word", ["deepedit", "deepgrow", "detection", "classification"])
def test_a_name_by_which_monai_label_knows_another_model_is_refused(ask, tmp_path, word):
    with pytest.raises(DataError, match=word):
        ask(tmp_path, name=f"polyp_{word}")


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("1=lv,2=myocardium", {"lv": (1,), "myocardium": (2,)}),
        ("1 = left ventricle , 2= lv", {"left ventricle": (1,), "lv": (2,)}),
        ("1=tumor,4=tumor,2=edema", {"tumor": (1, 4), "edema": (2,)}),
        ("1=lv,3=", {"lv": (1,), "": (3,)}),
    ],
)
def test_classes_are_read(text, classes):
    assert parse_classes(text) == classes


@pytest.mark.parametrize("text", ["lv", "1:lv", "0=background,1=lv", "1=lv,,2=la", "-1=lv", "", "1.5=lv"])
def test_classes_of_another_form_are_refused(text):
    with pytest.raises(DataError, match="1=lv,2=myocardium"):
        parse_classes(text)


def test_a_value_of_two_classes_is_refused():
    with pytest.raises(DataError, match="value 1 twice"):
        parse_classes("1=lv,1=la")


@pytest.mark.parametrize(
    "name", ["$import os", "@prompt", "%train", "left\nventricle", "lv @prompt", "_", "lv\u202e", 'lv"; ls "', "`ls`"]
)
def test_a_class_name_that_would_be_code_in_a_bundle_is_refused(ask, tmp_path, name):
    with pytest.raises(DataError, match="begins with a letter"):
        ask(tmp_path, {name: ()})


def test_folders_are_absolute(ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = ask(tmp_path, images=Path("images"), masks=Path("..") / "masks")
    assert (request.images, request.masks) == (tmp_path / "images", tmp_path.parent / "masks")


def test_classes_that_are_the_same_file_name_are_refused(ask, tmp_path):
    with pytest.raises(DataError, match="'left atrium', 'Left_atrium'"):
        ask(tmp_path, {"left atrium": (1,), "Left_atrium": (2,)})


def test_nothing_but_values_to_leave_out_is_refused(ask, tmp_path):
    with pytest.raises(DataError, match="at least one class"):
        ask(tmp_path, {"": (1,)})


@pytest.mark.parametrize("field", ["mask_pattern", "group_pattern"])
@pytest.mark.parametrize(("pattern", "reason"), [(r"\d+_", "a group in brackets"), (r"(\d+", "regular expression")])
def test_a_pattern_that_cannot_be_used_is_refused_with_its_option(ask, tmp_path, field, pattern, reason):
    with pytest.raises(DataError, match=f"{reason}.*--{field.replace('_', '-')}"):
        ask(tmp_path, **{field: pattern})


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_of_empty_slices_out_of_range_is_refused(ask, tmp_path, fraction):
    with pytest.raises(DataError, match="from 0 to 1"):
        ask(tmp_path, keep_empty_slices=fraction)
