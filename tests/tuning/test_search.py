"""Trials run, fail, are stopped and interrupted; those that are finished are never done again."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from tuning.conftest import SPACE, one_after_the_other

from monai_vlsm.cluster import Pool
from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.errors import DataError
from monai_vlsm.tuning import search as searching
from monai_vlsm.tuning import trial as trying
from monai_vlsm.tuning.results import best_of, rows_of
from monai_vlsm.tuning.search import run_search
from monai_vlsm.tuning.study import JOURNAL, STOPPED, Search, first_rung, open_study


@pytest.fixture
def started(monkeypatch) -> list[Any]:
    """Trials that were begun, in this process and without a training: their Dice is one minus their learning rate."""
    begun: list[Any] = []

    def pretend(trial, handle) -> None:
        begun.append(trial)
        for epoch in range(1, 4):
            handle.report(1 - trial.values["learning_rate"], epoch)

    monkeypatch.setattr(trying, "_train", pretend)
    monkeypatch.setattr(searching, "each", one_after_the_other)
    monkeypatch.setattr(searching, "cluster", lambda address: nullcontext())
    monkeypatch.setattr(searching, "pool", lambda workers: Pool(1, 1, 0))
    return begun


@pytest.fixture
def asked(read, config, tmp_path) -> Callable[..., SimpleNamespace]:
    """A search, its space, and a function that runs it."""

    def of(space: Any = SPACE, seed: int = 42) -> SimpleNamespace:
        searched = read(space)
        search = Search(tmp_path / "out", config, searched.told(), seed, None)

        def run(trials):
            return rows_of(run_search(search, searched, trials, None, 1), search, searched)

        return SimpleNamespace(search=search, space=searched, run=run, out=search.out)

    return of


def stop_first(study) -> None:
    trial = Trial(study, 0)
    trial.report(0.3, 1)
    trial.set_user_attr(STOPPED, 1)


def test_the_best_trial_is_the_first_row(asked, started):
    rows = asked().run(4)
    assert [row.dice for row in rows] == sorted((1 - trial.values["learning_rate"] for trial in started), reverse=True)
    assert best_of(rows) == rows[0]


def test_what_is_drawn_follows_from_the_seed(asked, started, tmp_path):
    first = asked().run(4)
    (tmp_path / "out").rename(tmp_path / "first")
    assert asked().run(4) == first
    (tmp_path / "out").rename(tmp_path / "second")
    assert asked(seed=7).run(4) != first


def test_finished_trials_are_not_done_again(asked, started):
    first = asked().run(2)
    assert asked().run(2) == first
    assert len(started) == 2
    assert len(asked().run(3)) == 3
    assert [trial.number for trial in started] == [0, 1, 2]


def test_a_trial_that_fails_is_a_row_and_the_rest_go_on(asked, started, monkeypatch):
    pretend = trying._train

    def fail(trial, handle) -> None:
        if trial.number == 1:
            raise MemoryError("no room")
        pretend(trial, handle)

    monkeypatch.setattr(trying, "_train", fail)
    rows = asked().run(3)
    assert [(row.number, row.outcome, row.dice, row.error) for row in rows if row.error] == [
        (1, "failed", None, "MemoryError: no room")
    ]
    assert sum(row.outcome == "finished" for row in rows) == 2


def test_a_full_disk_ends_the_search_which_goes_on_when_there_is_room(asked, started, monkeypatch):
    """Each trial that is left would fail in a second, and none is tried again."""
    pretend, full = trying._train, OSError(errno.ENOSPC, "No space left on device")

    def fail(trial, handle) -> None:
        try:
            raise DataError("cannot write 'model.pt': the disk is full.") from full
        except DataError as error:
            raise RuntimeError("in MONAI") from error

    monkeypatch.setattr(trying, "_train", fail)
    with pytest.raises(DataError, match=r"trial 0 was interrupted: .*the disk is full\. The same command goes on"):
        asked().run(3)
    monkeypatch.setattr(trying, "_train", pretend)
    assert [row.outcome for row in asked().run(3)] == ["finished"] * 3


def test_a_disk_that_is_too_full_for_the_journal_is_told(asked, started, monkeypatch):
    def fail(*given) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(searching, "_tell", fail)
    with pytest.raises(DataError, match=r"study\.journal': the disk is full"):
        asked().run(1)


def test_a_trial_without_a_validation_fails(asked, started, monkeypatch):
    monkeypatch.setattr(trying, "_train", lambda trial, handle: handle.report(float("nan"), 1))
    (row,) = asked().run(1)
    assert row.error.startswith("it has not one Dice of a validation")
    assert best_of([row]) is None


def test_an_interrupted_trial_comes_first_and_has_the_same_values(asked, started, monkeypatch):
    pretend = trying._train

    def stop(trial, handle) -> None:
        if trial.number == 1:
            started.append(trial)
            raise KeyboardInterrupt
        pretend(trial, handle)

    monkeypatch.setattr(trying, "_train", stop)
    with pytest.raises(KeyboardInterrupt):
        asked().run(3)
    monkeypatch.setattr(trying, "_train", pretend)
    asked().run(3)
    assert [trial.number for trial in started] == [0, 1, 1, 2]
    assert started[1] == started[2]


def test_a_search_that_was_killed_while_it_drew_goes_on(asked, started):
    searched = asked()
    searched.out.mkdir()
    open_study(searched.out).ask()
    assert [row.number for row in searched.run(1)] == [0]


def test_half_a_line_and_a_lock_of_a_killed_process_are_in_nobodys_way(asked, started):
    searched = asked()
    searched.run(1)
    with (searched.out / JOURNAL).open("ab") as file:
        file.write(b'{"op_code":6,"trial')
    lock = Path(f"{searched.out / JOURNAL}.lock")
    lock.symlink_to(searched.out / JOURNAL)
    os.utime(lock, (0, 0), follow_symlinks=False)
    assert len(searched.run(2)) == 2
    lock.symlink_to(searched.out / "moved from there")
    assert len(searched.run(3)) == 3


def test_a_worker_that_outlives_a_killed_search_keeps_the_lock_of_the_journal(asked, started, monkeypatch):
    """Taken away from it, both would write at once, and it would take away that of the search."""
    searched = asked()
    searched.run(1)
    lock = Path(f"{searched.out / JOURNAL}.lock")
    lock.symlink_to(searched.out / JOURNAL)
    waited = []

    def wait(seconds) -> None:
        assert lock.is_symlink()
        waited.append(seconds)
        lock.unlink()

    monkeypatch.setattr("optuna.storages.journal._file.time.sleep", wait)
    assert len(searched.run(2)) == 2
    assert len(waited) == 1


def test_the_journal_is_read_once_and_by_each_trial(asked, started, monkeypatch):
    opened, whole = [], JournalFileBackend.__init__
    monkeypatch.setattr(JournalFileBackend, "__init__", lambda *given: opened.append(given) or whole(*given))
    asked().run(3)
    assert len(opened) == 1 + len(started)


def test_what_is_written_behind_half_a_line_can_be_read(asked, started, monkeypatch):
    """A full disk may leave it while other trials go on."""
    searched, pretend = asked(), trying._train

    def leave_half_a_line(trial, handle) -> None:
        with (searched.out / JOURNAL).open("ab") as file:
            file.write(b'{"op_code":6,"trial')
        pretend(trial, handle)

    monkeypatch.setattr(trying, "_train", leave_half_a_line)
    assert [row.outcome for row in searched.run(2)] == ["finished"] * 2
    assert searched.run(2)[0].dice is not None


@pytest.mark.parametrize("name", [JOURNAL, f"{JOURNAL}.lock", "settings.json", "train.json"])
def test_a_folder_in_the_place_of_a_file_is_told(asked, started, name):
    searched = asked()
    (searched.out / name).mkdir(parents=True)
    with pytest.raises(DataError, match=name):
        searched.run(1)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ('"threads":1', '"threads":"1; reboot #"'),
        ('"threads":1', '"error":["text"]'),
        ('"threads":1', '"threads":1,"more":1'),
        ('"directions":[2]', '"directions":[1]'),
        ('"directions":[2]', '"directions":[2,2]'),
        ('"step":2', '"step":"two"'),
        ('"step":2,"intermediate_value":', '"step":2,"intermediate_value":1e9'),
        ('"param_name":"learning_rate"', '"param_name":"other"'),
        ('"param_value_internal":', '"param_value_internal":1e9'),
        ('{"op_code":7', "[" * 10_000 + '{"op_code":7'),
        ('{"op_code":7', 'nonsense\n{"op_code":7'),
    ],
)
def test_a_journal_of_a_stranger_is_told(asked, started, written, instead):
    """Of its numbers a command is made, which people take into a shell."""
    searched = asked()
    searched.run(1)
    text = (searched.out / JOURNAL).read_text()
    assert written in text
    (searched.out / JOURNAL).write_text(text.replace(written, instead))
    with pytest.raises(DataError, match="is damaged"):
        searched.run(2)


@pytest.mark.parametrize("changed", [{"seed": 7}, {"space": {**SPACE, "batch_size": [2, 4]}}])
def test_another_search_in_the_same_folder_is_refused(asked, started, changed):
    asked().run(1)
    with pytest.raises(DataError, match=r"another bundle, space, seed or data set \(settings.json differs\)"):
        asked(**changed).run(1)


def test_two_processes_do_not_search_in_one_folder(asked, started):
    lock = FolderLock(asked().out, "search", "")
    lock.acquire()
    try:
        with pytest.raises(DataError, match="a search writes into"):
            asked().run(1)
    finally:
        lock.release()


def test_a_trial_that_is_behind_is_stopped_and_not_the_best(asked, started, monkeypatch):
    """Trials 0 and 1 are equal in the first epoch, trial 2 is worse."""

    def behind(trial, handle) -> None:
        for epoch in (1, 2, 3):
            handle.report(0.5 - 0.1 * (trial.number == 2), epoch)
            if handle.should_prune():
                handle.set_user_attr(STOPPED, epoch)
                return

    monkeypatch.setattr(trying, "_train", behind)
    rows = asked().run(3)
    assert [(row.number, row.outcome, row.epochs) for row in rows if row.number == 2] == [(2, "stopped early", 1)]
    study = open_study(asked().out)
    assert study.trials[2].state == TrialState.PRUNED
    assert best_of(rows).outcome == "finished"


def test_a_trial_that_an_older_worker_stops_meanwhile_stays_stopped(asked, started, monkeypatch):
    searched = asked()
    monkeypatch.setattr(trying, "_let_end", lambda folder: stop_first(open_study(searched.out)))
    (row,) = searched.run(1)
    assert (row.outcome, row.dice) == ("stopped early", 0.3)
    assert not started


def test_a_trial_that_was_stopped_when_its_search_was_killed_stays_stopped(asked, started):
    searched = asked()
    searched.out.mkdir()
    study = open_study(searched.out)
    study.ask()
    stop_first(study)
    (row,) = searched.run(1)
    assert (row.outcome, row.dice) == ("stopped early", 0.3)
    assert not started


@pytest.mark.parametrize(("epochs", "first"), [(1, 1), (9, 1), (16, 1), (30, 3), (200, 22)])
def test_trials_are_compared_after_a_ninth_of_their_epochs(epochs, first):
    assert first_rung(epochs) == first
