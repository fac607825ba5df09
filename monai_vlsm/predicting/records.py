"""What is finished: a small file for every image, written last, from which all tables are made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

from monai_vlsm.data.tables import write_table
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.dicom import patient
from monai_vlsm.errors import DataError
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.owner import RECORDS, replace_owned, require_owner
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.targets import TABLE, targets_of

State = list[list[int | str]]
"""By which a changed image is known, see :func:`state_of`."""
COLUMNS = (
    "image",
    "prompt",
    "label",
    "value",
    "mask",
    "pixels",
    "mm2",
    "ml",
    "components",
    "presence",
    "mean_probability",
    "agreement",
    "look",
    "emptied",
    "seconds",
    "error",
)


@dataclass
class Outcome:
    """What a run found.

    Args:
        failed: why images have no masks.
        masks: number of them.
        look: masks that somebody should look at.
        emptied: masks of what is probably not there.
    """

    failed: dict[Job, str] = field(default_factory=dict)
    masks: int = 0
    look: int = 0
    emptied: int = 0


def record_path(job: Job, plan: Plan) -> Path:
    """Return where the record of an image lies."""
    return plan.folder / RECORDS / f"{job.source.name}.json"


def write_record(
    job: Job,
    plan: Plan,
    rows: Sequence[dict[str, Any]],
    seconds: float,
    error: str | None,
    state: State | None = None,
) -> None:
    """Say that an image is finished; all its files must be there.

    Args:
        rows: of the table, one for each prompt, without ``seconds`` and ``error``; none after an error.
        seconds: that reading, segmenting and writing took.
        error: why there are no rows.
        state: of the image before it was read; None is that of now.

    Raises:
        DataError: if it cannot be written, or the run has its folder no more.
    """
    files = [] if error else targets_of(job, plan).all()
    with replace_owned(record_path(job, plan), plan) as part:
        record = {
            "fingerprint": plan.fingerprint,
            "image": job.source.shown,
            "state": state_of(job) if state is None else state,
            "asks": [list(astuple(ask)) for ask in job.asks],
            "files": {file: (plan.folder / file).stat().st_size for file in files},
            "rows": list(rows),
            "seconds": round(seconds, 3),
            "error": error,
        }
        part.write_text(json.dumps(record, indent=1), encoding="utf-8")


def forget(job: Job, plan: Plan) -> None:
    """Take a record back, before files of its image are written anew.

    Raises:
        OtherRunError: if the run has its folder no more.
    """
    require_owner(plan)
    record_path(job, plan).unlink(missing_ok=True)


def read_record(job: Job, plan: Plan) -> dict[str, Any] | None:
    """Return the record of an image, or None if there is none that can be read."""
    return _read(record_path(job, plan))


def other_records(jobs: Sequence[Job], plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield the records of all images in the folder of the results but those of ``jobs``."""
    own = {record_path(job, plan) for job in jobs}
    found = map(_read, (path for path in (plan.folder / RECORDS).rglob("*.json") if path not in own))
    yield from (record for record in found if record is not None)


def unfinished(jobs: Sequence[Job], plan: Plan) -> list[Job]:
    """Return the images that are still to be segmented; what failed is tried again.

    Raises:
        DataError: if results of another image are in the place of those of one of these.
    """
    return [job for job in jobs if plan.overwrite or not _is_finished(job, plan)]


def write_results(jobs: Sequence[Job], plan: Plan) -> Outcome:
    """Write the table of the images of a run from their records, and return what it says in sum.

    Patients are in it only if this run asks for them, whatever the records say.

    Raises:
        DataError: if it cannot be written.
    """
    outcome = Outcome()
    columns = (*COLUMNS, *(patient.COLUMNS if plan.with_patient else ()))

    def rows() -> Iterator[dict[str, Any]]:
        for job in jobs:
            for row in rows_of(job, plan):
                if row["error"]:
                    outcome.failed[job] = row["error"]
                else:
                    outcome.masks += 1
                    outcome.look += row["look"]
                    outcome.emptied += row["emptied"]
                yield {name: row.get(name) for name in columns}

    with replace_whole(plan.folder / TABLE) as part:
        write_table(part, columns, rows())
    return outcome


def rows_of(job: Job, plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table for an image, one for each prompt."""
    record = read_record(job, plan) or {"rows": [], "error": "it was not segmented", "seconds": None}
    shared = {"image": job.source.shown, "seconds": record["seconds"], "error": record["error"]}
    known = record["rows"] if len(record["rows"]) == len(job.asks) else [{}] * len(job.asks)
    for ask, row in zip(job.asks, known, strict=True):
        yield {**shared, "prompt": ask.prompt, "label": ask.name, "value": ask.value, **row}


def state_of(job: Job) -> State:
    """Return size in bytes, time of the last change and place on the disk of an image's files that are there."""
    remote = job.source.remote
    found: State = [] if remote is None else [[remote.size, remote.version]]
    for file in job.source.files if remote is None else ():
        try:
            status = file.stat()
        except OSError:
            continue
        found.append([status.st_size, status.st_mtime_ns, status.st_ino])
    return found


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if isinstance(record["rows"], list) and isinstance(record["files"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_finished(job: Job, plan: Plan) -> bool:
    record = read_record(job, plan)
    if record is None:
        return False
    state, known = state_of(job), record.get("state")
    if record.get("image") != job.source.shown and known != state:
        raise DataError(
            f"{str(plan.folder)!r} has results of the image {record.get('image')!r} under the name "
            f"{job.source.name!r}, which those of {job.source.shown!r} would get: choose another folder with --out."
        )
    wanted = targets_of(job, plan).all()
    return (
        record.get("error") is None
        and record.get("fingerprint") == plan.fingerprint
        and _content(known) == _content(state)
        and record.get("asks") == [list(astuple(ask)) for ask in job.asks]
        and all(_size(plan.folder / file) == record["files"].get(file, -1) for file in wanted)
    )


def _content(state: Any) -> Any:
    """Return size and time, which a file has wherever it is copied to."""
    return [file[:2] for file in state if isinstance(file, list)] if isinstance(state, list) else state


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None
