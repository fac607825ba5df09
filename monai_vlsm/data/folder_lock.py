"""Let only one process at a time write into a folder, also from containers and machines that share its disk."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from monai_vlsm.data.names import TRAINING
from monai_vlsm.data.whole import replace_whole, what_failed
from monai_vlsm.errors import DataError

_KINDS = {"host": str, "process": int, "started": float, "boot": str}
"""What is said of an owner; ``started`` in seconds since 1970."""
_PATIENCE = 0.5
"""Seconds; the processes that loaded data for a killed training let go of its lock a moment after it."""

_TRAIN_ELSEWHERE = (
    "train in a copy of the bundle's folder: two trainings in one folder would replace each other's model"
)

_logger = logging.getLogger("monai_vlsm")


class FolderLock:
    """A lock of the operating system, and a file beside it that says who has it.

    The operating system's lock ends with its process, however that ends, and holds between containers of one machine.
    Some network disks do not share it between machines: there the file decides.

    Args:
        folder: is made if it is not there; gets ``.WORK.lock`` and, while it is locked, ``.WORK.json``.
        work: what is done in the folder, in a word.
        instead: what else a second one can do, and why.
    """

    def __init__(self, folder: str | Path, work: str = TRAINING, instead: str = _TRAIN_ELSEWHERE) -> None:
        self.folder = Path(folder)
        self.work = work
        self.instead = instead
        self.owner_file = self.folder / f".{work}.json"
        self._lock = FileLock(self.folder / f".{work}.lock", timeout=_PATIENCE)

    def acquire(self) -> None:
        """Lock the folder.

        Raises:
            DataError: if another process has it, or may have it; the message says which one, and the way out. Or if
                there can be no such folder.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise DataError(self._refusal(self._owner(), "Wait for its end")) from None
        except OSError as error:
            raise DataError(what_failed(self.folder, error)) from error
        owner = self._owner()
        if owner and _is_elsewhere(owner):
            self._lock.release()
            way_out = f"If that one has ended, remove {str(self.owner_file)!r}"
            raise DataError(self._refusal(owner, way_out))
        if owner:
            _logger.warning(f"The {self.work} of {_describe(owner)} did not end in order: its lock is taken over.")
        self._write_owner()

    def release(self) -> None:
        """Unlock the folder; does nothing if this process does not have it."""
        if self._lock.is_locked:
            self.owner_file.unlink(missing_ok=True)
            self._lock.release()

    def _write_owner(self) -> None:
        owner = {"host": socket.gethostname(), "process": os.getpid(), "started": time.time(), "boot": _boot_id()}
        try:
            with replace_whole(self.owner_file) as part:
                part.write_text(json.dumps(owner), encoding="utf-8")
        except DataError:
            self._lock.release()
            raise

    def _owner(self) -> dict[str, Any]:
        """Return what the file says; nothing if there is none, or something else in it."""
        try:
            owner = json.loads(self.owner_file.read_text(encoding="utf-8"))
            datetime.fromtimestamp(owner["started"])  # fails where it is no time
            return {name: kind(owner[name]) for name, kind in _KINDS.items()}
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return {}

    def _refusal(self, owner: dict[str, Any], way_out: str) -> str:
        return (
            f"a {self.work} writes into {str(self.folder)!r} already, {_describe(owner)}. {way_out}, or {self.instead}."
        )


def _is_elsewhere(owner: dict[str, Any]) -> bool:
    """Tell whether the owner may live on another machine, where the operating system's lock may not reach.

    On this machine the lock has just been had, so the owner is dead: also if the machine has restarted since, which
    shows in the time, because a container of the same host name may run on another machine.
    """
    if owner["boot"] == _boot_id():
        return False
    return owner["host"] != socket.gethostname() or owner["started"] > _boot_time()


def _boot_id() -> str:
    """Return what differs between machines and between their starts, and is the same in all containers of a machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        return socket.gethostname()


def _boot_time() -> float:
    """Return when this machine was started, in seconds since 1970; 0 where that cannot be asked."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return 0.0 if clock is None else time.time() - time.clock_gettime(clock)


def _describe(owner: dict[str, Any]) -> str:
    if not owner:
        return "of an unknown process"
    started = datetime.fromtimestamp(owner["started"]).strftime("%Y-%m-%d %H:%M:%S")
    return f"process {owner['process']} on {owner['host']!r}, started {started}"
