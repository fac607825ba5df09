"""Names of images and files that a client may give."""

from __future__ import annotations

import unicodedata

import pytest

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.monai_label.studies import LONGEST_ID, READ_SUFFIXES, require_below, require_id, require_suffix

NAMES = [
    "case1",
    "MR head (2)",
    "2026-11-25_T1+C",
    "Ärztin",
    unicodedata.normalize("NFD", "Größe"),
    "患者1",
    "a.b@c=d,e",
]
TRAVERSALS = [
    "../app/model/busi/configs/train",
    "..",
    ".",
    "a/b",
    "a\\b",
    "..\\a",
    "/etc/passwd",
    "//server/share",
    "C:\\Windows\\a",
    "C:a",
    "a\0b",
    "a\nb",
    "a%2fb",
    "..%2f..%2fa",
    "%2e%2e",
    "\u2025\u2215a",
    "\uff0e\uff0e\uff0fa",
    "a\u2044b",
    "a\u29f8b",
    "a\u2215b",
    "\u202eb",
    "a\u200bb",
    "~root",
    "$HOME",
    "a;b",
    "a|b",
    "a*b",
    ".hidden",
    "a..b",
    "a.",
    " a",
    "a ",
    "NUL",
    "con.1",
    "Com1",
]
"""What leads elsewhere, now or after decoding, or looks as if it did."""


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_scripts_are_taken(name):
    assert require_id(name) == name


@pytest.mark.parametrize("name", [*TRAVERSALS, "", "x" * (LONGEST_ID + 1), "ä" * (LONGEST_ID // 2 + 1)])
def test_a_name_that_could_be_more_than_a_file_in_a_folder_is_refused(name):
    with pytest.raises(DataError, match="letters, digits, spaces"):
        require_id(name)


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.nii.gz", ".nii.gz"), ("C:\\x\\A.PNG", ".png"), ("b.seg.nrrd", ".nrrd")]
)
def test_the_suffix_is_all_that_is_taken_of_a_file(name, suffix):
    assert require_suffix(name) == suffix


@pytest.mark.parametrize(
    "name", ["a.json", "a.py", "a.pt", "a.png.exe", "a.mhd", "a.gz", "a", "", None, "a.png/../b.py"]
)
def test_other_files_than_images_are_refused(name):
    with pytest.raises(DataError, match="must end in one of"):
        require_suffix(name, READ_SUFFIXES)


def test_a_file_in_the_folder_is_found(tmp_path):
    (tmp_path / "a.png").touch()
    assert require_below(tmp_path / "a.png", tmp_path) == (tmp_path / "a.png").resolve()


@pytest.mark.parametrize("link", ["file", "folder", "chain"])
def test_a_link_that_leads_out_of_the_folder_is_refused(tmp_path, link):
    studies, secret = tmp_path / "studies", tmp_path / "secret.png"
    studies.mkdir()
    secret.touch()
    (studies / "file").symlink_to(secret)
    (studies / "chain").symlink_to(studies / "file")
    (studies / "folder").symlink_to(tmp_path)
    with pytest.raises(DataError, match="leads out"):
        require_below(studies / ("folder/secret.png" if link == "folder" else link), studies)


def test_a_folder_whose_name_only_begins_alike_is_elsewhere(tmp_path):
    (tmp_path / "studies2").mkdir()
    (tmp_path / "studies2" / "a.png").touch()
    with pytest.raises(DataError, match="leads out"):
        require_below(tmp_path / "studies2" / "a.png", tmp_path / "studies")


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"a\.png"):
        require_below(tmp_path / "a.png", tmp_path)
