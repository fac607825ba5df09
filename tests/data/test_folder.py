"""Tests of data/folder.py."""

import json

import pytest

from monai_vlsm.data.folder import cache_folder, is_free, is_there
from monai_vlsm.errors import DataError


@pytest.fixture
def written(tmp_path):
    """Write a datalist with this description into a folder of its own."""

    def make(description):
        folder = tmp_path / "busi"
        folder.mkdir()
        (folder / "datalist.json").write_text(json.dumps({"description": description, "training": []}))
        return folder

    return make


def test_a_folder_that_does_not_exist_is_free(tmp_path):
    assert is_free(tmp_path / "busi")
    assert not is_there(tmp_path / "busi", "busi")


def test_an_empty_folder_is_free(tmp_path):
    assert is_free(tmp_path)
    assert not is_there(tmp_path, "busi")


def test_a_file_is_in_the_way(tmp_path):
    (tmp_path / "busi").touch()
    assert not is_free(tmp_path / "busi")
    with pytest.raises(DataError, match="it holds other files"):
        is_there(tmp_path / "busi", "busi")


def test_the_same_data_set_is_recognized(written):
    assert is_there(written("busi, seed 0"), "busi, seed 0")


def test_another_data_set_is_refused_and_named(written):
    with pytest.raises(DataError, match=r"another data set \('busi, seed 1'\).*choose another folder"):
        is_there(written("busi, seed 1"), "busi, seed 0")


@pytest.mark.parametrize("description", ["", None, 3, ["busi, seed 0"]])
def test_a_data_set_without_a_description_is_not_taken_for_ours(written, description):
    with pytest.raises(DataError, match="it holds other files"):
        is_there(written(description), "busi, seed 0")


def test_a_cache_relative_to_the_working_directory_does_not_count(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder("bundles") == tmp_path / "home" / ".cache" / "monai_vlsm" / "bundles"
