"""Keep the best model of a training, written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ignite.handlers import DiskSaver
from monai.handlers import CheckpointSaver


class AtomicCheckpointSaver(CheckpointSaver):
    """MONAI's CheckpointSaver for the best model, but a file is written whole or not at all, and its score is kept.

    Args: as for ``monai.handlers.CheckpointSaver`` with ``save_key_metric=True``.
    """

    def __init__(self, save_dir: str, save_dict: dict, key_metric_filename: str = "model.pt", **kwargs: Any) -> None:
        super().__init__(save_dir, save_dict, save_key_metric=True, key_metric_filename=key_metric_filename, **kwargs)
        self._checkpoint.save_handler = _FixedNameSaver(save_dir, key_metric_filename, list(save_dict))

    @property
    def _checkpoint(self) -> Any:
        return self._key_metric_checkpoint

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far and its file."""
        return dict(self._checkpoint.state_dict())


class _FixedNameSaver(DiskSaver):
    """Write atomically, always under the same name and with the names of what is saved, also of a single object.

    A better model replaces the file, so nothing is to be removed.
    """

    def __init__(self, directory: str, filename: str, names: list[str]) -> None:
        super().__init__(directory, atomic=True, require_empty=False)
        self.filename = filename
        self.names = names

    def __call__(self, checkpoint: Mapping, filename: str, metadata: Mapping | None = None) -> None:
        named = {self.names[0]: checkpoint} if len(self.names) == 1 else checkpoint
        super().__call__(named, self.filename, metadata)

    def remove(self, filename: str) -> None:
        """Keep the file: the next model is written over it."""
