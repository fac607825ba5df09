"""Keep what a training writes safe from a second training and from a full disk."""

from __future__ import annotations

from pathlib import Path

import ignite.distributed as idist
from ignite.engine import Engine, Events

from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.errors import DataError, find_message, is_full_disk, with_causes


class FolderGuard:
    """Lock a folder while the trainer runs, and name a full disk as the cause of an error that it led to.

    Args:
        folder: which gets the best model.

    Raises:
        DataError: if another training has the folder, or the disk is full.
    """

    def __init__(self, folder: str | Path) -> None:
        self.lock = FolderLock(folder)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before other handlers: Ignite asks only the first one about an exception."""
        if idist.get_rank() != 0:
            return
        engine.add_event_handler(Events.STARTED, self.lock.acquire)
        engine.add_event_handler(Events.COMPLETED, self.lock.release)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._end)

    def _end(self, engine: Engine, error: BaseException) -> None:
        self.lock.release()
        if find_message(error) is None and any(map(is_full_disk, with_causes(error))):
            raise DataError(
                f"the disk is full: training broke off in epoch {engine.state.epoch}. The best model and the state "
                "after the last whole epoch are as they were. Make room, then go on with --resume True."
            ) from error
        if isinstance(error, KeyboardInterrupt) and engine.state.epoch > 1:
            error.add_note(f"all is saved up to epoch {engine.state.epoch - 1}: go on with --resume True")
        raise error
