"""Many images in one process."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from functools import partial

import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.predicting import local
from monai_vlsm.predicting.case import segment_case
from monai_vlsm.predicting.jobs import make_jobs
from monai_vlsm.predicting.sources import find_sources


@pytest.fixture
def jobs(pictures):
    return make_jobs(find_sources([pictures]), ["cyst", "mass"], shown=9)


@pytest.fixture
def run_local(predictor):
    return partial(local.run_local, predictor=predictor)


def results(plan) -> dict[str, bytes]:
    files = (path for path in plan.folder.rglob("*") if path.is_file() and ".records" not in path.parts)
    return {path.relative_to(plan.folder).as_posix(): path.read_bytes() for path in files}


def test_all_at_once_gives_what_one_after_the_other_gives(run_local, jobs, plan, predictor, tmp_path):
    run_local(jobs, plan)
    alone = replace(plan, out=str(tmp_path / "alone"))
    for job in jobs:
        segment_case(predictor, job, alone)
    assert len(results(plan)) == 9
    assert results(plan) == results(alone)


def test_images_are_not_all_read_at_once(run_local, jobs, plan, monkeypatch):
    read, answered, most = [], [], []
    read_case, answer_case = local.read_case, local.answer_case
    monkeypatch.setattr(local, "read_case", lambda job: read.append(job) or read_case(job))

    def answer(predictor, case, plan):
        most.append(len(read) - len(answered))
        answered.append(case)
        return answer_case(predictor, case, plan)

    monkeypatch.setattr(local, "answer_case", answer)
    run_local(jobs * 3, plan)
    assert len(answered) == 9
    assert max(most) <= 4


def test_a_full_disk_ends_the_run(run_local, jobs, plan, monkeypatch):
    def fail(case, plan):
        raise DataError("the disk is full") from OSError(errno.ENOSPC, "")

    monkeypatch.setattr(local, "write_case", fail)
    with pytest.raises(DataError, match="the disk is full"):
        run_local(jobs, plan)


def test_values_of_label_maps_have_names_before_there_is_one(run_local, jobs, plan, monkeypatch):
    monkeypatch.setattr(local, "answer_case", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_local(jobs, replace(plan, label_map=True))
    names = [label["name"] for label in json.loads((plan.folder / "labels.json").read_text())["labels"]]
    assert names == ["cyst", "mass"]


def test_whoever_breaks_it_off_is_told_how_to_go_on(run_local, jobs, plan, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(local, "answer_case", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        run_local(jobs, plan)
    assert "goes on with the rest" in caught.value.__notes__[0]
