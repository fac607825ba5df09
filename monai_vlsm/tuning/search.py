"""Run the trials of a search, those that were interrupted first; what is finished is never done again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from monai_vlsm.cluster import Pool, Surroundings, cluster, each, pool
from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.data.whole import what_failed
from monai_vlsm.errors import DataError, UserError
from monai_vlsm.tuning.space import Choices, Space
from monai_vlsm.tuning.study import (
    ERROR,
    JOURNAL,
    STOPPED,
    THREADS,
    Search,
    dice_of,
    first_rung,
    open_study,
    seed_study,
    trials_of,
)
from monai_vlsm.tuning.trial import Trial, train

if TYPE_CHECKING:
    from optuna import Study
    from optuna import Trial as StudyTrial
    from optuna.trial import FrozenTrial


_ABANDONED = 30
"""Seconds; a process that lives has the lock of the journal for as long as a line takes to be written."""


def run_search(search: Search, space: Space, trials: int, address: str | None, workers: int | None) -> Study:
    """Run trials until there are so many, and return the study.

    Args:
        search: what it is for.
        space: what is searched.
        trials: of the study, those of earlier runs among them.
        address: of a Ray cluster; None begins one here.
        workers: trials at once.

    Raises:
        DataError: if another process runs it, Ray cannot, or the disk is full.
    """
    lock = FolderLock(search.out, "search", "give another --out")
    lock.acquire()
    try:
        search.begin()
        study = _opened(search, space)
        missing = [trial for trial in trials_of(study) if not trial.state.is_finished()]
        if missing or len(trials_of(study)) < trials:
            with cluster(address):
                _run(search, study, space, trials, pool(workers))
        return study
    except UserError:
        raise
    except OSError as error:
        raise DataError(what_failed(search.out / JOURNAL, error)) from error
    finally:
        lock.release()


def _opened(search: Search, space: Space) -> Study:
    """Return the study of a folder, which a stranger may have written, once all of it is known to be sound."""
    journal = search.out / JOURNAL
    try:
        _remove_abandoned(Path(f"{journal}.lock"))
        study = open_study(search.out)
        if study.direction.name != "MAXIMIZE":
            raise ValueError("it looks for the lowest Dice")
        for trial in trials_of(study):
            _require_sound(trial, search, space)
    except UserError:
        raise
    except Exception as error:  # a damaged file can raise anything: RecursionError, AssertionError, OSError ...
        raise DataError(
            f"{str(journal)!r} is damaged ({type(error).__name__}: {error}): begin anew with another --out."
        ) from error
    return study


def _remove_abandoned(lock: Path) -> None:
    """Remove what a killed process left; a worker, which may outlive its killed search for a while, keeps its own.

    For a lock that points nowhere, as in a folder that was moved, Optuna would wait without end.
    """
    with suppress(FileNotFoundError):
        if not (lock.is_symlink() and lock.exists() and time.time() - lock.lstat().st_mtime < _ABANDONED):
            lock.unlink()


def _require_sound(trial: FrozenTrial, search: Search, space: Space) -> None:
    """Raise a ValueError unless a trial has what trials of this search have: its threads end up in a command."""
    noted, finished = trial.user_attrs, trial.state.is_finished()
    sound = (
        (type(noted.get(THREADS)) is int or not finished)
        and type(noted.get(STOPPED, 0)) is int
        and isinstance(noted.get(ERROR, ""), str)
        and all(type(epoch) is int and not (dice < 0 or dice > 1) for epoch, dice in trial.intermediate_values.items())
        and all(key in space.keys and space.keys[key].has(value) for key, value in trial.params.items())
    )
    if not sound:
        raise ValueError(f"trial {trial.number} is none of this search")
    if finished:
        values_of(search, space, trial)


def _run(search: Search, study: Study, space: Space, trials: int, chosen: Pool) -> None:
    left = trials - sum(trial.state.is_finished() for trial in trials_of(study))
    with tqdm(None, "searching", left, unit="trial", disable=None) as bar:
        todo = _todo(search, study, space, trials, chosen)
        for trial, end, failure in each(train, todo, chosen, Surroundings.here()):
            if end:
                raise DataError(f"trial {trial.number} was interrupted: {end} The same command goes on.")
            _tell(study, trial.number, failure)
            bar.update()


def _todo(search: Search, study: Study, space: Space, trials: int, chosen: Pool) -> Iterator[Trial]:
    """Yield interrupted trials, then new ones, each drawn when there is room for it."""
    from optuna import Trial as StudyTrial

    for trial in trials_of(study):
        if not trial.state.is_finished():
            seed_study(study, search.seed + trial.number)
            yield _drawn(search, space, StudyTrial(study, trial._trial_id), chosen)
    while (number := len(trials_of(study))) < trials:
        seed_study(study, search.seed + number)
        yield _drawn(search, space, study.ask(), chosen)


def _drawn(search: Search, space: Space, trial: StudyTrial, chosen: Pool) -> Trial:
    trial.set_user_attr(THREADS, chosen.cores)
    return Trial(trial.number, search.out, values_of(search, space, trial), first_rung(_epochs(space)), chosen.cores)


def values_of(search: Search, space: Space, trial: Any) -> dict[str, Any]:
    """Return what a trial changes of the bundle's values."""
    data = {} if search.dataset_dir is None else {"dataset_dir": search.dataset_dir}
    return {**space.draw(trial), **data}


def _epochs(space: Space) -> int:
    chosen = space.keys.get("max_epochs", Choices((space.config["max_epochs"],)))
    return int(max(chosen.values if isinstance(chosen, Choices) else (chosen.high,)))


def _tell(study: Study, number: int, failure: str) -> None:
    """End a trial: it failed, was stopped early, or is complete."""
    from optuna.trial import TrialState

    trial = trials_of(study)[number]
    if failure:
        study._storage.set_trial_user_attr(trial._trial_id, ERROR, failure)
        study.tell(number, state=TrialState.FAIL)
    elif STOPPED in trial.user_attrs:
        study.tell(number, state=TrialState.PRUNED)
    else:
        study.tell(number, dice_of(trial))
