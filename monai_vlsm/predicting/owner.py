"""Whose the folder of results is: that of one run at a time, also where workers outlive a run that was killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.data.whole import remove_abandoned_below, remove_file, replace_whole
from monai_vlsm.errors import DataError, OtherRunError
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.targets import PAGE, TABLE

RECORDS = ".records"
"""Folder of the records, below that of the results."""


@contextmanager
def only_writer(plan: Plan) -> Iterator[Plan]:
    """Keep other runs from writing into the folder of the results meanwhile; every engine does.

    What killed runs left unfinished is removed, and so are table and page: they come when all is there.

    Gives the plan with its owner: what is written with that, by whomever, is written only as long as this run lasts.

    Raises:
        DataError: if another run writes there.
    """
    lock = _lock(plan)
    lock.acquire()
    try:
        remove_abandoned_below(plan.folder, seconds=0)
        for name in (TABLE, PAGE):
            remove_file(plan.folder / name)
        yield replace(plan, owner=_owner(plan))
    except KeyboardInterrupt as error:
        error.add_note("what is finished stays: the same command goes on with the rest")
        raise
    finally:
        lock.release()


def require_results_apart(plan: Plan) -> None:
    """Make sure that results do not mix with files of other origin, unless that is wanted.

    Raises:
        DataError: if the folder holds files, and no run has written into it.
    """
    if plan.overwrite or not plan.folder.is_dir() or (plan.folder / RECORDS).is_dir():
        return
    found = next((path.name for path in sorted(plan.folder.iterdir()) if not path.name.startswith(".")), None)
    if found is not None:
        raise DataError(
            f"the folder {str(plan.folder.absolute())!r} holds files that are not of 'predict', such as {found!r}: "
            "results would mix with them. Name another folder with --out, or write into this one with --overwrite."
        )


def require_owner(plan: Plan) -> None:
    """Make sure that a run still has its folder, just before something in it changes.

    Workers on other machines may live on where their run was killed, and the lock of the operating system is gone.

    Raises:
        OtherRunError: if it does not; plans without an owner are not asked.
    """
    if plan.owner and plan.owner != _owner(plan):
        raise OtherRunError(
            f"the run that began to write into {str(plan.folder)!r} has ended: nothing more is written."
        )


@contextmanager
def replace_owned(path: Path, plan: Plan) -> Iterator[Path]:
    """Give the name of a temporary file that becomes ``path`` if the run still has its folder.

    Other than that it is :func:`.replace_whole`.

    Raises:
        OtherRunError: if it has not.
        DataError: if the file cannot be written.
    """
    with replace_whole(path, tidy=False) as part:
        yield part
        require_owner(plan)


def _lock(plan: Plan) -> FolderLock:
    return FolderLock(plan.folder / RECORDS, "prediction", "choose another folder with --out")


def _owner(plan: Plan) -> str:
    """Return what tells the run that has the folder now from all others; "" if none has it."""
    try:
        return _lock(plan).owner_file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
