"""Names for results: safe, unique, and the same in every run."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from monai_vlsm.predicting.naming import Place, slug, unique_names


def names(*files: str, base: str = "/data") -> list[str]:
    return unique_names([Place(Path(base, file), Path(base)) for file in files])


def test_sub_folders_are_kept_and_known_suffixes_go():
    assert names("a.png", "b/c.nii.gz", "b/d.JPG", "1.2.840.113") == ["a", "b/c", "b/d", "1.2.840.113"]


def test_files_that_differ_in_their_suffix_both_get_it():
    assert names("a.png", "a.nii.gz", "b.png") == ["a_png", "a_nii_gz", "b"]


def test_files_of_two_folders_that_differ_in_nothing_else_get_its_name():
    places = [Place(Path(folder, "x.png"), Path(folder)) for folder in ("/site1", "/site2")]
    assert unique_names(places) == ["site1/x", "site2/x"]


def test_names_that_differ_in_their_case_alone_are_one_on_many_disks():
    found = names("A.png", "a.png")
    assert len({name.casefold() for name in found}) == 2


def test_names_do_not_depend_on_the_order_of_the_files():
    files = ["a.png", "a.jpg", "A.png", "a_png.png", "b/a.png"]
    expected = dict(zip(files, names(*files), strict=True))
    assert len(set(expected.values())) == len(files)
    for order in permutations(files):
        assert dict(zip(order, names(*order), strict=True)) == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("new\nline.png", "new_line"),
        ("tab\tescape\x1b.png", "tab_escape_"),
        ("a:b*c?.png", "a_b_c_"),
        (".records/x.png", "_records/x"),
        ("trail. .png", "trail"),
        ("half\udcff.png", "half_"),
        ("u\u0308.png", "\u00fc"),
    ],
)
def test_what_disks_or_terminals_do_not_take_is_replaced(file, expected):
    assert names(file) == [expected]


def test_long_names_are_cut_and_stay_apart():
    first, second = names("x" * 240 + "1.png", "x" * 240 + "2.png")
    assert first != second
    assert max(len(first), len(second)) <= 120


def test_letters_of_several_bytes_are_counted_in_bytes():
    (name,) = names("\u4e2d" * 80 + ".png")
    assert len(name.encode()) <= 120


def test_a_file_outside_of_its_base_would_be_an_error():
    with pytest.raises(ValueError, match="is not in the subpath"):
        unique_names([Place(Path("/elsewhere/a.png"), Path("/data"))])


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("malignant tumor", "malignant-tumor"),
        ("../../x", "x"),
        ("/etc/passwd", "etc-passwd"),
        ("a_b", "a-b"),
        ("CON\n", "CON"),
    ],
)
def test_a_label_becomes_a_safe_part_of_a_name(label, expected):
    assert slug(label) == expected


@pytest.mark.parametrize("label", ["", "...", "\u4e2d\u6587", "L\u00e4sion", "x" * 5000, "\ud800"])
def test_what_is_left_of_an_odd_label_is_short_and_tells_labels_apart(label):
    found = slug(label)
    assert 0 < len(found) <= 60
    assert found.isascii()
    assert found != slug(label + "!x")
