"""Run the trials of a search, those that were interrupted first; what is finished is never done again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from monai_vlsm.cluster import Pool, Surroundings, cluster, each, pool
from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.tuning.space import Choices, Space
from monai_vlsm.tuning.study import ERROR, STOPPED, THREADS, Search, dice_of, first_rung, seed_study, trials_of
from monai_vlsm.tuning.trial import Trial, train

if TYPE_CHECKING:
    from optuna import Study
    from optuna import Trial as StudyTrial


def run_search(search: Search, space: Space, trials: int, address: str | None, workers: int | None) -> Study:
    """Run trials until there are so many, and return the study.

    Args:
        search: what it is for.
        space: what is searched.
        trials: of the study, those of earlier runs among them.
        address: of a Ray cluster; None begins one here.
        workers: trials at once.

    Raises:
        DataError: if another process runs it, or Ray cannot.
    """
    lock = FolderLock(search.out, "search", "give another --out")
    lock.acquire()
    try:
        search.begin()
        study = search.open()
        missing = [trial for trial in trials_of(study) if not trial.state.is_finished()]
        if missing or len(trials_of(study)) < trials:
            with cluster(address):
                _run(search, study, space, trials, pool(workers))
        return study
    finally:
        lock.release()


def _run(search: Search, study: Study, space: Space, trials: int, chosen: Pool) -> None:
    left = trials - sum(trial.state.is_finished() for trial in trials_of(study))
    with tqdm(None, "searching", left, unit="trial", disable=None) as bar:
        for trial, _, failure in each(train, _todo(search, study, space, trials, chosen), chosen, Surroundings.here()):
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
