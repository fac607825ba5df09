"""Keep the best model of a training, written whole or not at all, and the model of an earlier training beside it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.handlers.checkpoint import BaseSaveHandler
from monai.handlers import CheckpointSaver

from monai_vlsm.bundle import CALIBRATION
from monai_vlsm.data.whole import file_sha256, remove_abandoned, replace_whole, what_failed
from monai_vlsm.errors import DataError
from monai_vlsm.networks.saving import save_whole

OLDER = "older"
"""Folder below that of the model; MONAI Label offers whatever ends with .pt beside the model itself."""

_logger = logging.getLogger("monai_vlsm")


class AtomicCheckpointSaver(CheckpointSaver):
    """MONAI's CheckpointSaver for the best model, with three differences.

    A file is written whole or not at all; the score is kept when training goes on after an interruption; and a model
    that this training did not write is copied to ``older/model_DATE.pt`` before it is replaced. DATE is when it was
    made. A calibration of the model that is replaced goes to ``older/calibration_DATE.json``.

    Args: as for ``monai.handlers.CheckpointSaver`` with ``save_key_metric=True``.

    Raises:
        DataError: when the disk is full or the file cannot be written.
    """

    def __init__(self, save_dir: str, save_dict: dict, key_metric_filename: str = "model.pt", **kwargs: Any) -> None:
        super().__init__(save_dir, save_dict, save_key_metric=True, key_metric_filename=key_metric_filename, **kwargs)
        self._writer = _ModelWriter(Path(save_dir).expanduser() / key_metric_filename, list(save_dict))
        self._checkpoint.save_handler = self._writer

    @property
    def path(self) -> Path:
        """Where the best model is written to."""
        return self._writer.path

    @property
    def _checkpoint(self) -> Any:
        return self._key_metric_checkpoint

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far, its file, and the file's SHA-256."""
        return {**self._checkpoint.state_dict(), "sha256": self._writer.sha256}

    def load_state_dict(self, state_dict: dict) -> None:
        """Go on from what ``state_dict()`` returned."""
        state = dict(state_dict)
        self._writer.sha256 = state.pop("sha256")
        super().load_state_dict(state)


class _ModelWriter(BaseSaveHandler):
    """Write one file, in the first process only, with the names of what is saved, also of a single object."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.path = path
        self.names = names
        self.sha256 = ""
        """Of the file that this training wrote last; empty before the first."""

    def __call__(self, checkpoint: Mapping, filename: str, metadata: Mapping | None = None) -> None:
        if idist.get_rank() != 0:
            return
        remove_abandoned(self.path, seconds=0)
        if self.path.exists() and file_sha256(self.path) != self.sha256:
            _keep_older(self.path)
        _set_calibration_aside(self.path.with_name(CALIBRATION.name))
        save_whole({self.names[0]: checkpoint} if len(self.names) == 1 else checkpoint, self.path)
        self.sha256 = file_sha256(self.path)

    def remove(self, filename: str) -> None:
        """Keep the file: the next model is written over it."""


def _set_calibration_aside(path: Path) -> None:
    """Move the calibration of a model away, because it does not fit the next one, and say so."""
    if not path.exists():
        return
    aside = _older(path)
    try:
        aside.parent.mkdir(exist_ok=True)
        path.replace(aside)
    except OSError as error:
        raise DataError(what_failed(aside, error)) from error
    _logger.warning(f"The calibration of the model before is kept as {str(aside)!r}: calibrate the new one.")


def _older(path: Path) -> Path:
    """Return where a file is kept, by the time it was made."""
    made = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d_%H-%M-%S.%f")
    return path.parent / OLDER / f"{path.stem}_{made}{path.suffix}"


def _keep_older(path: Path) -> None:
    """Copy a model to where the next one does not replace it, and say so."""
    backup = _older(path)
    with replace_whole(backup) as part:
        shutil.copy2(path, part)
    _logger.warning(f"The model of an earlier training is kept as {str(backup)!r}: {path.name} is now the new one.")
