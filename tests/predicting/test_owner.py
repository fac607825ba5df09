"""One run at a time writes into a folder of results, also where workers of a killed one live on."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from monai_vlsm.errors import DataError, OtherRunError
from monai_vlsm.predicting import write
from monai_vlsm.predicting.case import segment_case
from monai_vlsm.predicting.jobs import make_jobs
from monai_vlsm.predicting.owner import only_writer, replace_owned, require_owner
from monai_vlsm.predicting.records import forget, write_record
from monai_vlsm.predicting.sources import find_sources


@pytest.fixture
def job(pictures):
    return make_jobs(find_sources([pictures]), ["cyst"])[0]


def plan_of_a_run_that_has_ended(plan):
    with only_writer(plan) as owned:
        require_owner(owned)
    return owned


def test_a_second_run_into_the_folder_is_refused(plan):
    with only_writer(plan):
        second = only_writer(plan)
        with pytest.raises(DataError, match=r"a prediction writes into .* process .* --out"):
            second.__enter__()


def test_a_run_that_begins_removes_the_table_and_what_killed_ones_left(plan):
    (plan.folder / "more").mkdir(parents=True)
    part, other, table = (
        plan.folder / name for name in ("more/.0123456789abcdef.part.c.png", ".movie.part.mp4", "results.csv")
    )
    for file in (part, other, table):
        file.touch()
    with only_writer(plan):
        assert not part.exists()
        assert other.exists(), "it is another program's"
        assert not table.exists()


@pytest.mark.parametrize("another_began", [True, False])
def test_nothing_is_written_for_a_run_that_has_ended(predictor, plan, job, another_began):
    segment_case(predictor, job, plan)
    ended = plan_of_a_run_that_has_ended(plan)
    with ExitStack() as stack:
        if another_began:
            stack.enter_context(only_writer(plan))
        before = {path: path.stat().st_mtime_ns for path in plan.folder.rglob("*") if path.is_file()}
        for step in (
            lambda: segment_case(predictor, job, ended),
            lambda: forget(job, ended),
            lambda: write_record(job, ended, [], 0, "an error"),
        ):
            with pytest.raises(OtherRunError, match="has ended: nothing more is written"):
                step()
        assert {path: path.stat().st_mtime_ns for path in plan.folder.rglob("*") if path.is_file()} == before


def test_a_file_that_was_being_written_when_another_run_began_vanishes(plan):
    with only_writer(plan) as owned:
        stale = replace(owned, owner=owned.owner.replace('"process"', '"another"'))
        with pytest.raises(OtherRunError), replace_owned(plan.folder / "a.png", stale) as part:
            part.touch()
        assert [path.name for path in plan.folder.iterdir()] == [".records"]


def test_a_run_that_is_taken_over_within_an_image_leaves_no_record(predictor, plan, job, monkeypatch):
    def taken_over(*_):
        (plan.folder / ".records" / ".prediction.json").write_text("{}")
        return {"pixels": 0}

    with only_writer(plan) as owned:
        monkeypatch.setattr(write, "measured", taken_over)
        with pytest.raises(OtherRunError):
            segment_case(predictor, job, owned)
    assert not (plan.folder / ".records" / "a.json").exists()
