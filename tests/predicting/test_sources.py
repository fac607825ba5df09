"""From what was given to images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from predicting.conftest import write_picture

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.predicting.sources import find_sources, named_sources


def names(*given, out=None) -> list[str]:
    return [source.name for source in find_sources(given, out)]


def test_a_folder_is_searched_with_all_below(pictures):
    assert names(pictures) == ["a", "b", "more/c"]


def test_files_come_in_natural_order(tmp_path):
    for number in (10, 9, 1):
        write_picture(tmp_path / f"i{number}.png")
    assert names(tmp_path) == ["i1", "i9", "i10"]


def test_an_image_that_is_given_twice_is_one(pictures):
    assert names(pictures / "a.png", pictures, f"{pictures}/*.png") == ["a", "b", "more/c"]


def test_the_name_of_a_match_begins_where_the_pattern_does(pictures):
    assert names(f"{pictures}/**/*.*") == ["a", "b", "more/c"]
    assert names(f"{pictures.parent}/p*s/more/*.tif") == ["pictures/more/c"]


def test_a_file_with_signs_of_a_pattern_is_the_file(pictures):
    write_picture(pictures / "[1].png")
    assert names(pictures / "[1].png") == ["[1]"]


def test_hidden_files_and_other_kinds_are_no_images(pictures):
    for name in (".a.png", ".hidden/a.png", "a.txt", "results.csv"):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).touch()
    assert names(pictures) == ["a", "b", "more/c"]


def test_a_file_without_suffix_is_an_image_if_it_says_that_it_is_dicom(pictures):
    (pictures / "IM001").write_bytes(bytes(128) + b"DICM")
    (pictures / "IM002").write_bytes(bytes(132))
    assert names(pictures) == ["a", "b", "IM001", "more/c"]


def test_a_link_that_leads_nowhere_is_an_image_that_fails_later(pictures):
    (pictures / "gone.png").symlink_to("nowhere")
    assert "gone" in names(pictures)


def test_links_to_folders_are_not_followed(pictures):
    (pictures / "more" / "up").symlink_to(pictures)
    assert names(pictures) == ["a", "b", "more/c"]


def test_a_pipe_is_no_image(pictures):
    os.mkfifo(pictures / "pipe.png")
    assert names(pictures) == ["a", "b", "more/c"]
    with pytest.raises(DataError, match=r"pipe\.png"):
        names(pictures / "pipe.png")


def test_a_folder_with_the_name_of_a_file_is_a_folder(pictures):
    write_picture(pictures / "x.png" / "y.png")
    assert names(pictures / "x.png") == ["y"]


def test_results_in_a_folder_of_images_are_no_images(pictures):
    write_picture(pictures / "out" / "a_mask.png")
    assert names(pictures, f"{pictures}/**/*.png", out=pictures / "out") == ["a", "b", "more/c"]


@pytest.mark.parametrize("given", ["out", "out/a_mask.png", "link.png"])
def test_an_image_in_the_folder_of_the_results_is_refused(tmp_path, given):
    write_picture(tmp_path / "out" / "a_mask.png")
    (tmp_path / "link.png").symlink_to("out/a_mask.png")
    with pytest.raises(DataError, match="lies in the folder of the results"):
        names(tmp_path / given, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "message"),
    [("missing.png", "is missing"), ("*.png", "matches none"), ("empty", "holds none"), ("x" * 300, "is missing")],
)
def test_what_holds_no_image_is_named(tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingFileError, match=message):
        names(given)


def test_an_empty_name_is_not_the_current_folder():
    with pytest.raises(MissingFileError, match="an empty name"):
        names("")


def test_a_file_of_an_unknown_kind_is_refused(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"a\.txt.*convert it first"):
        names(tmp_path / "a.txt")


def test_named_images_get_names_below_the_base_or_their_own(pictures, tmp_path):
    other = write_picture(tmp_path / "elsewhere" / "a.png")
    found = named_sources([pictures / "more" / "c.tif", other, pictures / "not_there.png"], pictures)
    assert [source.name for source in found.values()] == ["more/c", "a", "not_there"]
    assert all(Path(source.path) == path for path, source in found.items())
