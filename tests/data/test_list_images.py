"""Tests of listing the images to predict, a part of data/datalist.py."""

from pathlib import Path

import pytest

from monai_vlsm.data.datalist import list_images
from monai_vlsm.errors import DataError, MissingFileError

RASTER = ("png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp")
MEDICAL = ("nii", "nii.gz", "nrrd", "mha", "mhd", "dcm")


def touch(folder, *files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def names(listed):
    return [Path(item["image"]).name for item in listed]


def test_images_of_a_folder_are_listed_in_natural_order(tmp_path):
    touch(tmp_path, "scan10.png", "scan2.png", "scan1.png")
    assert names(list_images(tmp_path)) == ["scan1.png", "scan2.png", "scan10.png"]


@pytest.mark.parametrize("suffix", [*RASTER, *MEDICAL, "PNG", "Jpg", "NII.GZ"])
def test_images_of_every_known_format_are_listed(tmp_path, suffix):
    touch(tmp_path, f"scan.{suffix}")
    assert list_images(tmp_path) == [{"image": str(tmp_path / f"scan.{suffix}")}]


@pytest.mark.parametrize("name", ["scan.gif", "notes.txt", "scan.gz", ".scan.png", "sub/scan.png", "folder.png/x.txt"])
def test_other_files_of_a_folder_are_left_out(tmp_path, name):
    touch(tmp_path, name, "scan1.png")
    assert names(list_images(tmp_path)) == ["scan1.png"]


def test_one_file_is_listed(tmp_path):
    touch(tmp_path, "scan.png", "other.png")
    assert names(list_images(tmp_path / "scan.png")) == ["scan.png"]


def test_a_relative_file_gets_an_absolute_path(tmp_path, monkeypatch):
    touch(tmp_path, "scan.png")
    monkeypatch.chdir(tmp_path)
    assert list_images("scan.png") == [{"image": str(tmp_path / "scan.png")}]


def test_a_pattern_lists_what_matches(tmp_path):
    touch(tmp_path, "a1.png", "a2.txt", "b1.png")
    assert names(list_images(str(tmp_path / "a*"))) == ["a1.png"]


def test_a_file_with_brackets_in_its_name_is_no_pattern(tmp_path):
    touch(tmp_path, "scan[1].png")
    assert names(list_images(tmp_path / "scan[1].png")) == ["scan[1].png"]


def test_a_list_keeps_its_order_and_lists_a_file_once(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    paths = [tmp_path / "b.png", str(tmp_path / "a.png"), tmp_path / "b.png"]
    assert names(list_images(paths)) == ["b.png", "a.png"]


@pytest.mark.parametrize(
    ("source", "named"),
    [("none.png", r"none\.png.*is missing"), ("*.png", r"\*\.png.*matches none"), ("", "holds none")],
)
def test_a_source_without_images_is_named(tmp_path, source, named):
    with pytest.raises(MissingFileError, match=named) as error:
        list_images(tmp_path / source)
    assert str(tmp_path) in str(error.value)


def test_a_missing_file_in_a_list_is_named(tmp_path):
    touch(tmp_path, "a.png")
    with pytest.raises(MissingFileError, match=r"b\.png"):
        list_images([tmp_path / "a.png", tmp_path / "b.png"])


@pytest.mark.parametrize("source", [[], ""])
def test_an_empty_source_is_refused(source):
    with pytest.raises(MissingFileError, match="at least one image"):
        list_images(source)


def test_a_file_of_unknown_format_is_refused_and_named(tmp_path):
    touch(tmp_path, "scan.gif")
    with pytest.raises(DataError, match=r"\.nii\.gz.*scan\.gif"):
        list_images(tmp_path / "scan.gif")
