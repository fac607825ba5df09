"""The lock of Optuna's journal, which also clears away half a line at its end."""

from __future__ import annotations

import os
from pathlib import Path

from optuna.storages.journal import JournalFileSymlinkLock


class MendingLock(JournalFileSymlinkLock):
    """Let one process write at a time, behind a whole line.

    A full disk or a killed process leaves half a line. Optuna writes on behind it, and what then comes cannot be read.

    Args:
        journal: the file.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self.journal = journal

    def acquire(self) -> bool:
        """Wait for the lock, and remove half a line."""
        acquired = super().acquire()
        try:
            _remove_half_line(self.journal)
        except BaseException:
            self.release()
            raise
        return acquired


def _remove_half_line(path: Path) -> None:
    with path.open("r+b") as file:
        if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0 and file.read() != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
