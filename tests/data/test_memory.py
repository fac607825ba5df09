"""How much memory a machine and its control groups leave, and the refusal of what needs more."""

from __future__ import annotations

import pytest

from monai_vlsm.data import memory
from monai_vlsm.errors import DataError

MB = 2**20
MEMINFO = "MemTotal:  9999999 kB\nMemAvailable:  102400 kB\nSwapFree: 0 kB\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 100 MiB left, and folders for what control groups say."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_GROUPS", [(tmp_path / group[2], *group[1:]) for group in memory._GROUPS])
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    return tmp_path


def limit(folder, group, size, used, cached=0):
    _, limit_file, used_file, name = memory._GROUPS[group]
    folder = memory._GROUPS[group][0]
    folder.mkdir()
    (folder / limit_file).write_text(f"{size}\n")
    (folder / used_file).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{name} {cached}\n")


def test_without_groups_it_is_what_the_machine_has(machine):
    assert memory.available_memory() == 100 * MB


@pytest.mark.parametrize("group", [0, 1])
@pytest.mark.parametrize(
    ("size", "used", "cached", "left"),
    [(50 * MB, 20 * MB, 5 * MB, 35 * MB), (500 * MB, 0, 0, 100 * MB), (10, 20, 0, 0), ("max", 5, 0, 100 * MB)],
)
def test_a_group_can_leave_less_and_gives_files_back_that_it_has_cached(machine, group, size, used, cached, left):
    limit(machine, group, size, used, cached)
    assert memory.available_memory() == left


def test_processes_that_train_together_share_it(machine, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert memory.available_memory() == 25 * MB


@pytest.mark.parametrize("text", [None, "", "MemTotal: 5 kB\n", "MemAvailable: many kB\n"])
def test_where_a_machine_says_nothing_all_fits(machine, text):
    (machine / "meminfo").unlink() if text is None else (machine / "meminfo").write_text(text)
    assert memory.available_memory() is None
    memory.require_memory(2**60, "keep it", "")


def test_this_machine_says_what_it_has():
    assert memory._text(memory._MEMINFO) == "" or 0 < memory.available_memory() < 2**50


def test_what_does_not_fit_is_refused_with_both_sizes(machine):
    memory.require_memory(90 * MB, "keep it", "")
    with pytest.raises(DataError, match=r"cannot keep it: 105 MB are needed, and 105 MB are available.*Go elsewhere"):
        memory.require_memory(100 * MB, "keep it", "Go elsewhere.")
