"""One trial: the bundle's own training with other values, in a folder of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigWorkflow

from monai_vlsm.bundle import MODEL, as_literal
from monai_vlsm.bundle.released import LOGGING
from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError, find_message, is_full_disk, with_causes
from monai_vlsm.tuning.study import CONFIG, STOPPED, dice_of, open_study, trials_of

if TYPE_CHECKING:
    from optuna import Trial as StudyTrial

_PATIENCE = 60
"""Times that a trial asks whether an earlier attempt at it has ended, a second apart."""


@dataclass(frozen=True)
class Trial:
    """What a worker is told of a trial.

    Args:
        number: in the study.
        out: folder of the search, absolute.
        values: that the training has instead of the bundle's.
        rung: epochs after which it is first compared with others.
        threads: cores that PyTorch uses.
    """

    number: int
    out: Path
    values: Mapping[str, Any]
    rung: int
    threads: int

    @property
    def folder(self) -> Path:
        """Return the folder, which is laid out as that of a bundle."""
        return self.out / "trials" / f"{self.number:03}"


def train(trial: Trial) -> str:
    """Train, from where an earlier attempt was interrupted; the study gets the Dice of every validation.

    Returns:
        Why the search must end, and go on with this trial later: the disk is full. "" where it need not.

    Raises:
        DataError: if the training cannot use its values, or never validates.
    """
    try:
        _attempt(trial)
    except Exception as error:
        if any(map(is_full_disk, with_causes(error))):
            return find_message(error) or str(error)
        raise
    return ""


def _attempt(trial: Trial) -> None:
    from optuna import Trial as StudyTrial

    study = open_study(trial.out, rungs=trial.rung)
    handle = StudyTrial(study, trials_of(study)[trial.number]._trial_id)
    torch.set_num_threads(trial.threads)
    _let_end(trial.folder / MODEL.parent)
    if STOPPED not in trials_of(study)[trial.number].user_attrs:
        _train(trial, handle)
    if dice_of(trials_of(study)[trial.number]) is None:
        raise DataError("it has not one Dice of a validation: is 'val_interval' above 'max_epochs'?")


def _train(trial: Trial, handle: StudyTrial) -> None:
    override = trial.folder / "trial.json"
    with replace_whole(override) as part:
        part.write_text(json.dumps(trial.values, indent=1) + "\n", encoding="utf-8")
    with (trial.folder / "log.txt").open("a", encoding="utf-8") as log, redirect_stdout(log):
        workflow = ConfigWorkflow(
            [str(trial.out / CONFIG), str(override)],
            logging_file=str(LOGGING),
            run_id="training",
            bundle_root=as_literal(str(trial.folder)),
            resume=True,
        )
        workflow.initialize()
        _report_validations(workflow, handle)
        workflow.run()
        workflow.finalize()


def _let_end(folder: Path) -> None:
    """Wait for the end of a process of a search that was killed; it holds the lock until then."""
    lock = FolderLock(folder)
    for _ in range(_PATIENCE):
        try:
            lock.acquire()
        except DataError:
            time.sleep(1)
        else:
            lock.release()
            return


def _report_validations(workflow: Any, handle: StudyTrial) -> None:
    """Let the study know each Dice, and end the training where others are better after as many epochs."""
    trainer, evaluator = workflow.trainer, workflow.evaluator
    known = set(trials_of(handle.study)[handle.number].intermediate_values)

    @evaluator.on(Events.COMPLETED)
    def report(engine: Engine) -> None:
        epoch = trainer.state.epoch
        if epoch not in known:  # an interrupted epoch is computed again, with the same result
            handle.report(float(engine.state.metrics[engine.state.key_metric_name]), epoch)  # type: ignore[attr-defined]
        if handle.should_prune():
            handle.set_user_attr(STOPPED, epoch)
            trainer.terminate()
