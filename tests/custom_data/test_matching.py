"""Tests of custom_data/matching.py."""

import os
import re
import unicodedata
from pathlib import Path

import pytest

from monai_vlsm.custom_data.matching import group_names, match_masks
from monai_vlsm.errors import DataError, MissingFileError


@pytest.fixture
def touch(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

    return make


def matched(request):
    """Return the names of images and masks that belong together."""
    return {pair.image.name: pair.mask.name for pair in match_masks(request).pairs}


@pytest.mark.parametrize(
    "mask",
    ["a.png", "a.nii.gz", "a_mask.png", "a_seg.tif", "a_label.png", "a_Segmentation.png", "a-mask.png", "a_GT.png"],
)
def test_a_mask_has_the_name_of_its_image_or_a_usual_ending(ask, tmp_path, touch, mask):
    touch("images/a.jpg", f"masks/{mask}")
    assert matched(ask(tmp_path)) == {"a.jpg": mask}


def test_a_name_that_ends_like_a_mask_belongs_to_the_image_of_the_same_name(ask, tmp_path, touch):
    touch("images/a_seg.png", "images/a.png", "masks/a_seg.png", "masks/a.png")
    assert matched(ask(tmp_path)) == {"a.png": "a.png", "a_seg.png": "a_seg.png"}


def test_images_and_masks_may_lie_in_one_folder(ask, tmp_path, touch):
    touch("all/a.png", "all/a_mask.png", "all/b.png")
    found = match_masks(ask(tmp_path, images=tmp_path / "all", masks=tmp_path / "all"))
    assert [(pair.image.name, pair.mask.name) for pair in found.pairs] == [("a.png", "a_mask.png")]
    assert [path.name for path in found.images_without_mask] == ["b.png"]
    assert found.masks_without_image == []


@pytest.mark.parametrize(
    ("images", "masks"), [("all/a.png", "all/masks/a.png"), ("all/images/a.png", "all/a.png"), ("a/a.png", "b/a.png")]
)
def test_one_folder_may_lie_in_the_other(ask, tmp_path, touch, images, masks):
    touch(images, masks)
    found = match_masks(ask(tmp_path, images=(tmp_path / images).parent, masks=(tmp_path / masks).parent))
    assert [(pair.image, pair.mask) for pair in found.pairs] == [(tmp_path / images, tmp_path / masks)]
    assert (found.images_without_mask, found.masks_without_image) == ([], [])


def test_folders_may_be_relative(ask, tmp_path, touch, monkeypatch):
    touch("images/a.png", "masks/a.png", "here/notes.txt")
    monkeypatch.chdir(tmp_path / "here")
    (pair,) = match_masks(ask(tmp_path, images=Path("../images"), masks=Path("../masks"))).pairs
    assert (pair.name, pair.image) == ("a", tmp_path / "images" / "a.png")


def test_sub_folders_are_searched_and_become_part_of_the_name(ask, tmp_path, touch):
    touch("images/p1/a.png", "images/p2/a.png", "masks/p1/a.png", "masks/p2/a.png")
    found = match_masks(ask(tmp_path, group_pattern=r"^(p\d)/"))
    assert [(pair.name, pair.group) for pair in found.pairs] == [("p1_a", "p1"), ("p2_a", "p2")]


@pytest.mark.parametrize(
    ("pattern", "image", "mask"),
    [
        ("mask_(.+)", "covid_1.png", "mask_covid_1.png"),
        ("(?:bus|mask)_(.+)", "bus_1-l.png", "mask_1-l.png"),
        (r"(.+?)(?:_0000)?", "heart_1_0000.nii.gz", "heart_1.nii.gz"),
    ],
)
def test_a_pattern_says_what_names_share(ask, tmp_path, touch, pattern, image, mask):
    touch(f"images/{image}", f"masks/{mask}")
    assert matched(ask(tmp_path, mask_pattern=pattern)) == {image: mask}


def test_a_pattern_that_matches_no_mask_is_refused_with_an_example(ask, tmp_path, touch):
    touch("images/a.png", "masks/a.png")
    with pytest.raises(DataError, match=r"such as 'a'.*matches none of 1"):
        match_masks(ask(tmp_path, mask_pattern="mask_(.+)"))


def test_what_has_no_partner_is_named(ask, tmp_path, touch):
    touch("images/a.png", "images/b.png", "masks/a.png", "masks/c.png")
    found = match_masks(ask(tmp_path))
    assert [path.name for path in found.images_without_mask] == ["b.png"]
    assert [path.name for path in found.masks_without_image] == ["c.png"]


def test_no_pair_at_all_is_an_error_that_shows_both_names(ask, tmp_path, touch):
    touch("images/a.png", "masks/b.png")
    with pytest.raises(DataError, match="images such as 'a' and masks such as 'b'"):
        match_masks(ask(tmp_path))


def test_two_masks_of_an_image_are_refused(ask, tmp_path, touch):
    touch("images/a.png", "masks/a_mask.png", "masks/a_seg.png")
    with pytest.raises(DataError, match=r"2 masks: 'a_mask\.png', 'a_seg\.png'"):
        match_masks(ask(tmp_path))


def test_two_images_of_one_name_are_refused(ask, tmp_path, touch):
    touch("images/a.png", "images/a.jpg", "masks/a.png")
    with pytest.raises(DataError, match=r"one image of the name 'a'"):
        match_masks(ask(tmp_path))


def test_two_names_that_would_be_written_alike_are_refused(ask, tmp_path, touch):
    touch("images/a b.png", "images/a_b.png", "masks/a b.png", "masks/a_b.png")
    with pytest.raises(DataError, match="rename one"):
        match_masks(ask(tmp_path))


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_a_missing_folder_is_named_with_its_option(ask, tmp_path, touch, folder):
    touch("images/a.png", "masks/a.png")
    with pytest.raises(MissingFileError, match=f"--{folder}.*nowhere' does not exist"):
        match_masks(ask(tmp_path, **{folder: tmp_path / "nowhere"}))


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_a_folder_without_images_is_named_with_its_option(ask, tmp_path, touch, folder):
    touch("images/a.png", "masks/a.png", "empty/notes.txt")
    with pytest.raises(MissingFileError, match=f"empty'.*--{folder}; it holds none"):
        match_masks(ask(tmp_path, **{folder: tmp_path / "empty"}))


def test_groups_are_the_first_group_of_the_pattern():
    assert group_names(["patient12_1", "patient12_2", "patient3_1"], re.compile(r"(\d+)_")) == ["12", "12", "3"]


def test_without_a_pattern_every_image_is_its_own_group():
    assert group_names(["a", "b"], None) == ["a", "b"]


def test_a_name_without_patient_is_refused_and_named():
    with pytest.raises(DataError, match="does not match 'control'"):
        group_names(["12_1", "control"], re.compile(r"(\d+)_"))


def test_a_folder_of_masks_with_nothing_but_the_images_is_refused(ask, tmp_path, touch):
    touch("all/images/a.png")
    with pytest.raises(DataError, match="images such as 'a' and masks such as 'none'"):
        match_masks(ask(tmp_path, images=tmp_path / "all" / "images", masks=tmp_path / "all"))


def test_equal_names_in_two_sub_folders_are_never_mixed(ask, tmp_path, touch):
    touch("images/a/x.png", "images/b/x.png", "masks/b/x.png", "masks/c/x.png")
    found = match_masks(ask(tmp_path))
    assert [(pair.image, pair.mask) for pair in found.pairs] == [
        (tmp_path / "images" / "b" / "x.png", tmp_path / "masks" / "b" / "x.png")
    ]


def test_masks_of_one_folder_are_not_shared_by_images_of_two(ask, tmp_path, touch):
    touch("images/a/x.png", "images/b/x.png", "masks/x.png")
    with pytest.raises(DataError, match=r"one image of the name 'x', got .*a/x\.png', .*b/x\.png'"):
        match_masks(ask(tmp_path, mask_pattern="(?:.*/)?(.+)"))


def test_a_pattern_whose_group_finds_nothing_pairs_nothing(ask, tmp_path, touch):
    touch("images/img_a.png", "images/img_1.png", "masks/mask_z.png", "masks/mask_1.png")
    assert matched(ask(tmp_path, mask_pattern=r"(?:img|mask)_(\d+)?.*")) == {"img_1.png": "mask_1.png"}


def test_a_link_to_the_images_is_no_folder_of_masks(ask, tmp_path, touch):
    touch("images/a.png")
    (tmp_path / "masks").symlink_to(tmp_path / "images")
    with pytest.raises(DataError, match="--images and --masks are one folder"):
        match_masks(ask(tmp_path))


def test_an_image_that_is_linked_as_its_own_mask_is_refused(ask, tmp_path, touch):
    touch("images/a.png", "masks/b.png")
    (tmp_path / "masks" / "a.png").symlink_to(tmp_path / "images" / "a.png")
    with pytest.raises(DataError, match="are the same file"):
        match_masks(ask(tmp_path))


@pytest.mark.parametrize("link", ["again.png", "again"])
def test_an_image_that_comes_twice_by_a_link_is_refused(ask, tmp_path, touch, link):
    touch("images/a.png", "masks/a.png", "masks/again.png", "masks/again/a.png")
    (tmp_path / "images" / link).symlink_to(tmp_path / "images" / ("a.png" if link.endswith("png") else ""))
    with pytest.raises(DataError, match=r"one name of the file .*images/a\.png', got .*again"):
        match_masks(ask(tmp_path))


def test_images_and_masks_may_be_links(ask, tmp_path, touch):
    touch("store/1.png", "store/2.png", "images/notes.txt", "masks/notes.txt")
    (tmp_path / "images" / "a.png").symlink_to(tmp_path / "store" / "1.png")
    (tmp_path / "masks" / "a.png").symlink_to(tmp_path / "store" / "2.png")
    assert matched(ask(tmp_path)) == {"a.png": "a.png"}


def test_images_may_share_one_linked_empty_mask(ask, tmp_path, touch):
    touch("images/a.png", "images/b.png", "masks/a.png")
    (tmp_path / "masks" / "b.png").symlink_to(tmp_path / "masks" / "a.png")
    assert matched(ask(tmp_path)) == {"a.png": "a.png", "b.png": "b.png"}


def test_a_folder_inside_the_other_is_known_behind_a_link(ask, tmp_path, touch):
    touch("all/a.png", "all/masks/a.png")
    (tmp_path / "link").symlink_to(tmp_path / "all" / "masks")
    found = match_masks(ask(tmp_path, images=tmp_path / "all", masks=tmp_path / "link"))
    assert [pair.image.name for pair in found.pairs] == ["a.png"]
    assert (found.images_without_mask, found.masks_without_image) == ([], [])


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_accents_may_be_stored_in_one_part_or_two(ask, tmp_path, touch, forms):
    image, mask = (unicodedata.normalize(form, "lésion.png") for form in forms)
    touch(f"images/{image}", f"masks/{mask}")
    (pair,) = match_masks(ask(tmp_path)).pairs
    assert (pair.name, pair.group) == ("lésion", "lésion")


@pytest.mark.parametrize("name", ["A.png", "a!.png", "(a).png"])
def test_names_that_differ_in_case_or_signs_only_are_refused(ask, tmp_path, touch, name):
    touch("images/a.png", "masks/a.png", f"images/{name}", f"masks/{name}")
    with pytest.raises(DataError, match=r"one image that is written as 'a'.*rename one"):
        match_masks(ask(tmp_path))


@pytest.mark.parametrize(
    ("name", "written"), [("con", "_con"), ("Aux.1", "_Aux.1"), ("COM1", "_COM1"), ("console", "console"), ("!.a", "a")]
)
def test_names_are_written_as_every_system_can_store_them(ask, tmp_path, touch, name, written):
    touch(f"images/{name}.png", f"masks/{name}.png")
    assert [pair.name for pair in match_masks(ask(tmp_path)).pairs] == [written]


def test_a_name_without_a_letter_is_refused(ask, tmp_path, touch):
    touch("images/!!!.png", "masks/!!!.png")
    with pytest.raises(DataError, match=r"a letter or digit in the name .*!!!\.png"):
        match_masks(ask(tmp_path))


def test_a_name_that_is_too_long_is_refused_before_anything_is_written(ask, tmp_path, touch):
    touch(f"images/{'p' * 100}/{'q' * 100}.png", f"masks/{'p' * 100}/{'q' * 100}.png")
    with pytest.raises(DataError, match=r"is too long.*at most 200 bytes"):
        match_masks(ask(tmp_path))


@pytest.mark.parametrize("folder", ["images", "masks"])
def test_a_name_that_is_not_utf_8_is_refused(ask, tmp_path, touch, folder):
    touch("images/a.png", "masks/a.png")
    os.link(tmp_path / folder / "a.png", os.fsencode(tmp_path / folder) + b"/\xff.png")
    with pytest.raises(DataError, match=r"file names in UTF-8, got .*\\udcff\.png"):
        match_masks(ask(tmp_path))


def test_hidden_files_and_folders_are_not_seen(ask, tmp_path, touch):
    touch("images/a.png", "masks/a.png", "images/._a.png", "images/.trash/b.png", "masks/.b.png")
    found = match_masks(ask(tmp_path))
    assert len(found.pairs) == 1
    assert (found.images_without_mask, found.masks_without_image) == ([], [])
