"""The study of a search: what trials were begun and how they went, in a journal that survives whatever ends a run."""

from __future__ import annotations

import json
import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.bundle.files import read_file
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

JOURNAL = "study.journal"
CONFIG = "train.json"
SETTINGS = "settings.json"
"""In the folder of a search: Optuna's record, the configuration that is trained, and what the search was asked for."""
STOPPED = "stopped"
"""Attribute of a trial: epoch after which it was stopped because others were better by then."""
ERROR = "error"
"""Attribute of a trial: what went wrong."""
THREADS = "threads"
"""Attribute of a trial: cores that it was computed with, on which the last digits depend."""
_NAME = "search"
_REDUCTION = 3
"""Of ASHA: one of three trials goes on, to three times the epochs."""


@dataclass(frozen=True)
class Search:
    """What a folder of results is for; another search needs another folder.

    Args:
        out: the folder, absolute.
        config: of the training, as the bundle has it.
        space: what is searched, as its file has it.
        seed: of what is drawn.
        dataset_dir: of the data set, absolute; None is the bundle's.
    """

    out: Path
    config: Mapping[str, Any]
    space: Mapping[str, Any]
    seed: int
    dataset_dir: str | None

    def begin(self) -> None:
        """Write down what the search is for, or make sure that it is the one that the folder holds.

        Raises:
            DataError: if the folder holds another one, or something else.
        """
        asked = {"space": self.space, "seed": self.seed, "dataset_dir": self.dataset_dir}
        for name, content in ((SETTINGS, asked), (CONFIG, self.config)):
            path, text = self.out / name, json.dumps(content, indent=1) + "\n"
            if not path.exists():
                with replace_whole(path) as part:
                    part.write_text(text, encoding="utf-8")
            elif read_file(path, None) != text.encode():
                raise DataError(
                    f"{str(self.out)!r} holds a search of another bundle, space, seed or data set ({name} differs): "
                    "give another --out."
                )


def open_study(out: Path, rungs: int = 1) -> Study:
    """Return the study in a folder, a new one if there is none; all of its journal is read.

    Args:
        out: folder of the search.
        rungs: epochs after which ASHA first compares trials.

    Raises:
        DataError: if Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise DataError(f'Optuna is not installed here ({error}): pip install "monai_vlsm[ray]".') from error
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from monai_vlsm.tuning.journal import MendingLock

    optuna.logging.set_verbosity(logging.ERROR)
    journal = out / JOURNAL
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal), MendingLock(journal))),
        study_name=_NAME,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=rungs, reduction_factor=_REDUCTION),
    )


def trials_of(study: Study) -> list[FrozenTrial]:
    """Return all trials, to be read only: Optuna's ``study.trials`` copies all that is known of them."""
    return study.get_trials(deepcopy=False)


def seed_study(study: Study, seed: int) -> None:
    """Let what the study draws next follow from a seed, and from what it knows by then."""
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # So parallel trials are not drawn at the same place.
        study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def first_rung(epochs: int) -> int:
    """Return the epoch after which trials are first compared, so that there are two such comparisons before the end."""
    return max(1, epochs // _REDUCTION**2)


def dice_of(trial: FrozenTrial) -> float | None:
    """Return the best Dice of all validations of a trial, None before the first."""
    known = [dice for dice in trial.intermediate_values.values() if math.isfinite(dice)]
    return max(known, default=None)
