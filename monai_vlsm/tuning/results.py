"""What a search found: a row for each trial, the best one as an override of its bundle, and how to train it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.data.tables import write_table
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.tuning.search import values_of
from monai_vlsm.tuning.space import Space
from monai_vlsm.tuning.study import ERROR, STOPPED, THREADS, Search, dice_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

BEST = "best.json"
TABLE = "trials.csv"
FINISHED, STOPPED_EARLY, FAILED = "finished", "stopped early", "failed"
"""How trials end: after all their epochs, or when others were better, or with an error."""
_COLUMNS = ("trial", "outcome", "dice", "epochs", "threads")


@dataclass(frozen=True)
class Row:
    """A trial.

    Args:
        number: in the study, from 0.
        outcome: finished, stopped early or failed.
        dice: the best of all its validations; None before the first.
        course: Dice by epoch.
        values: that it had instead of the bundle's.
        threads: cores that it was computed with.
        error: what went wrong, or "".
    """

    number: int
    outcome: str
    dice: float | None
    course: Mapping[int, float]
    values: Mapping[str, Any]
    threads: int
    error: str

    @property
    def epochs(self) -> int:
        """Return after how many epochs it ended."""
        return max(self.course, default=0)

    def told(self, key: str) -> str:
        """Return the value of a key as people read it, "" where the trial has none."""
        value = self.values.get(key, "")
        return f"{value:.4g}" if isinstance(value, float) else "null" if value is None else str(value)


def rows_of(study: Study, search: Search, space: Space) -> list[Row]:
    """Return a row for each trial, the highest Dice first, and of equals the earlier one."""
    rows = [_row(trial, search, space) for trial in study.trials]
    return sorted(rows, key=lambda row: -1.0 if row.dice is None else row.dice, reverse=True)


def best_of(rows: Sequence[Row]) -> Row | None:
    """Return the finished trial with the highest Dice, of rows in this order; None where none is finished."""
    return next((row for row in rows if row.outcome == FINISHED), None)


def write_results(rows: Sequence[Row], out: Path) -> None:
    """Write ``trials.csv``, and ``best.json`` if a trial is finished."""
    keys = list(dict.fromkeys(key for row in rows for key in row.values))
    with replace_whole(out / TABLE) as part:
        cells = (
            {**row.values, "trial": row.number, **{name: getattr(row, name) for name in (*_COLUMNS[1:], "error")}}
            for row in rows
        )
        write_table(part, [*_COLUMNS, *keys, "error"], cells)
    best = best_of(rows)
    if best:
        with replace_whole(out / BEST) as part:
            part.write_text(json.dumps(best.values, indent=4) + "\n", encoding="utf-8")


def training_command(bundle: Path, out: Path, best: Row) -> str:
    """Return the command that trains the best trial again, to the last digit where it is the same machine."""
    files = shlex.quote(json.dumps([str(bundle / "configs" / "train.json"), str(out / BEST)]))
    return f"OMP_NUM_THREADS={best.threads} python -m monai.bundle run training --config_file {files}"


def _row(trial: FrozenTrial, search: Search, space: Space) -> Row:
    return Row(
        trial.number,
        FAILED if ERROR in trial.user_attrs else STOPPED_EARLY if STOPPED in trial.user_attrs else FINISHED,
        dice_of(trial),
        trial.intermediate_values,
        values_of(search, space, trial),
        trial.user_attrs[THREADS],
        trial.user_attrs.get(ERROR, ""),
    )
