"""Files and folders are whole or not there at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from monai_vlsm.data import whole
from monai_vlsm.data.whole import new_folder, replace_whole
from monai_vlsm.errors import DataError


def age(path: Path, seconds: float) -> Path:
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime - seconds))
    return path


def fail_half_way(path: Path, error: Exception) -> None:
    with replace_whole(path) as part:
        part.write_text("half")
        raise error


def test_a_file_appears_under_its_name_when_it_is_complete(tmp_path):
    with replace_whole(tmp_path / "new" / "a.txt") as part:
        part.write_text("whole")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


@pytest.mark.parametrize(
    ("error", "told"), [(OSError(errno.ENOSPC, "No space"), "the disk is full"), (OSError(errno.EACCES, "no"), "no")]
)
def test_a_disk_that_fails_is_named_and_the_old_file_stays(tmp_path, error, told):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(DataError, match=rf"a\.txt.*{told}"):
        fail_half_way(tmp_path / "a.txt", error)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_other_errors_pass_and_leave_nothing(tmp_path):
    with pytest.raises(KeyError):
        fail_half_way(tmp_path / "a.txt", KeyError())
    assert not list(tmp_path.iterdir())


def test_the_temporary_name_keeps_the_suffix_and_is_never_the_same(tmp_path):
    with replace_whole(tmp_path / "a.nii.gz") as first, replace_whole(tmp_path / "a.nii.gz") as second:
        assert first.name.endswith(".nii.gz")
        assert first != second
        first.touch()
        second.touch()


def test_what_a_killed_process_left_is_removed_but_not_what_another_is_writing(tmp_path):
    old, fresh = tmp_path / ".0000000000000000.part.a.txt", tmp_path / ".1111111111111111.part.a.txt"
    other = tmp_path / ".2222222222222222.part.b.txt"
    for path in (old, fresh, other):
        path.write_text("half")
    age(old, 7200)
    age(other, 7200)
    with replace_whole(tmp_path / "a.txt") as part:
        part.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", fresh.name, other.name}


def test_a_killed_process_leaves_no_folder_for_the_next_one(tmp_path):
    left = tmp_path / ".0000000000000000.part.out"
    left.mkdir()
    (left / "a.png").touch()
    age(left / "a.png", 7200)
    age(left, 7200)
    with new_folder(tmp_path / "out") as part:
        (part / "b.png").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["a.txt/b.txt", f"{'x' * 300}.txt"], ids=["below a file", "too long"])
def test_a_place_that_cannot_be_is_a_named_error(tmp_path, name):
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match="cannot write"):
        fail_half_way(tmp_path / name, KeyError())


def test_where_others_tidy_up_the_folder_is_not_searched(tmp_path, monkeypatch):
    monkeypatch.setattr(whole, "remove_abandoned", lambda *_: pytest.fail("searched"))
    with replace_whole(tmp_path / "a.txt", tidy=False) as part:
        part.write_text("x")
    assert (tmp_path / "a.txt").read_text() == "x"
