"""Tests of saving whole or not at all."""

import os

import pytest
import torch
from small_disk import FULL, SMALL_DISK

from monai_vlsm.errors import DataError
from monai_vlsm.networks.saving import save_whole


def test_what_was_saved_is_loaded(tmp_path):
    save_whole({"a": torch.arange(3)}, tmp_path / "new" / "file.pt")
    loaded = torch.load(tmp_path / "new" / "file.pt", weights_only=True)
    assert loaded["a"].tolist() == [0, 1, 2]
    assert os.listdir(tmp_path / "new") == ["file.pt"]


@pytest.mark.parametrize("size", [FULL, 2**20])
@SMALL_DISK
def test_a_disk_that_is_really_full_is_named_and_the_older_file_stays(small_disk, size):
    """A file that does not fit at all, and one that does not fit beside the older one."""
    save_whole(torch.zeros(2**20 // 4), small_disk / "file.pt")
    before = (small_disk / "file.pt").read_bytes()
    with pytest.raises(DataError, match=r"cannot write .*file\.pt.*the disk is full"):
        save_whole(torch.zeros(size // 4), small_disk / "file.pt")
    assert (small_disk / "file.pt").read_bytes() == before
    assert os.listdir(small_disk) == ["file.pt"]


def test_what_cannot_be_pickled_leaves_the_older_file(tmp_path):
    save_whole(1, tmp_path / "file.pt")
    with pytest.raises((AttributeError, TypeError)):
        save_whole(lambda: None, tmp_path / "file.pt")
    assert torch.load(tmp_path / "file.pt", weights_only=True) == 1
    assert os.listdir(tmp_path) == ["file.pt"]


def test_another_error_of_pytorch_is_not_taken_for_a_full_disk(tmp_path, monkeypatch):
    def fail(content, file):
        raise RuntimeError("out of cheese")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(RuntimeError, match="out of cheese"):
        save_whole(1, tmp_path / "file.pt")
