"""What is finished, and the table that is made of it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from predicting.conftest import read_results, write_picture

from monai_vlsm.errors import DataError
from monai_vlsm.predicting.case import answer_case, read_case, segment_case, write_case
from monai_vlsm.predicting.jobs import make_jobs
from monai_vlsm.predicting.records import COLUMNS, record_path, unfinished, write_results
from monai_vlsm.predicting.sources import find_sources


@pytest.fixture
def jobs(pictures):
    return make_jobs(find_sources([pictures]), ["cyst", "=SUM(1)"], shown=1)


@pytest.fixture
def done(jobs, predictor, plan):
    """All images, segmented."""
    for job in jobs:
        segment_case(predictor, job, plan)
    return jobs


def left(jobs, plan) -> list[str]:
    return [job.source.name for job in unfinished(jobs, plan)]


def test_nothing_is_finished_before_it_began(jobs, plan):
    assert left(jobs, plan) == ["a", "b", "more/c"]


def test_what_is_finished_is_not_left(done, plan):
    assert left(done, plan) == []


def test_what_is_finished_is_segmented_anew_if_asked_for(done, plan):
    assert len(left(done, replace(plan, overwrite=True))) == 3


@pytest.mark.parametrize("file", ["a_cyst.png", "overlays/a.png"])
def test_an_image_with_a_file_that_was_removed_or_cut_is_not_finished(done, plan, file):
    path = plan.folder / file
    path.write_bytes(path.read_bytes()[:-1])
    assert left(done, plan) == ["a"]
    path.unlink()
    assert left(done, plan) == ["a"]


def test_an_image_that_changed_is_not_finished(done, plan, pictures):
    write_picture(pictures / "b.jpg", seed=7)
    assert left(done, plan) == ["b"]


def test_another_plan_finds_nothing_finished(done, plan):
    assert len(left(done, replace(plan, fingerprint="another"))) == 3


def test_more_files_are_a_reason_to_segment_anew_and_fewer_are_none(done, plan):
    assert len(left(done, replace(plan, label_map=True))) == 3
    assert left([replace(job, shown=False) for job in done], plan) == []


def test_other_prompts_find_nothing_finished(done, plan, pictures):
    assert len(left(make_jobs(find_sources([pictures]), ["cyst"]), plan)) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"rows": 5, "files": {}}', "\udcff"])
def test_a_torn_record_counts_for_nothing(done, plan, content):
    record_path(done[0], plan).write_bytes(content.encode("utf-8", "surrogateescape"))
    assert left(done, plan) == ["a"]


def test_results_of_another_image_of_the_same_name_are_not_replaced(done, plan, tmp_path):
    other = write_picture(tmp_path / "elsewhere" / "a.png", seed=9)
    jobs = make_jobs(find_sources([other]), ["cyst"])
    with pytest.raises(DataError, match=r"has results of the image '.*pictures/a\.png' under the name 'a'"):
        unfinished(jobs, plan)
    assert len(unfinished(jobs, replace(plan, overwrite=True))) == 1


def test_another_image_of_the_same_name_size_and_time_is_not_taken_for_it(done, plan, pictures, tmp_path):
    other = tmp_path / "elsewhere" / "a.png"
    other.parent.mkdir()
    shutil.copy2(pictures / "a.png", other)
    with pytest.raises(DataError, match="has results of the image"):
        unfinished(make_jobs(find_sources([other]), ["cyst"]), plan)


def test_images_that_moved_are_still_finished(done, plan, pictures):
    pictures.rename(pictures.with_name("moved"))
    jobs = make_jobs(find_sources([pictures.with_name("moved")]), ["cyst", "=SUM(1)"], shown=1)
    assert unfinished(jobs, plan) == []
    write_results(jobs, plan)
    assert "/moved/" in read_results(plan.folder)[0]["image"]


def test_the_table_has_a_row_for_each_image_and_prompt(done, plan, pictures):
    assert write_results(done, plan).failed == {}
    rows = read_results(plan.folder)
    assert tuple(rows[0]) == COLUMNS
    expected = [(str(job.source.path), prompt) for job in done for prompt in ("cyst", "'=SUM(1)")]
    assert [(row["image"], row["prompt"]) for row in rows] == expected
    assert all((plan.folder / row["mask"]).is_file() for row in rows)
    assert {row["error"] for row in rows} == {""}


def test_what_failed_has_its_rows_and_is_told_and_tried_again(jobs, predictor, plan, pictures):
    (pictures / "b.jpg").write_bytes(b"")
    for job in jobs:
        segment_case(predictor, job, plan)
    outcome = write_results(jobs, plan)
    assert ([job.source.name for job in outcome.failed], outcome.masks) == (["b"], 4)
    assert [bool(row["error"]) for row in read_results(plan.folder)] == [False, False, True, True, False, False]
    assert left(jobs, plan) == ["b"]


def test_an_image_that_changes_after_it_was_read_is_not_finished(jobs, predictor, plan, pictures):
    case = read_case(jobs[0])
    write_picture(pictures / "a.png", seed=7, size=(30, 30))
    write_case(answer_case(predictor, case, plan), plan)
    assert left(jobs[:1], plan) == ["a"]


def test_an_image_without_a_record_has_failed(jobs, plan):
    plan.folder.mkdir()
    assert set(write_results(jobs, plan).failed.values()) == {"it was not segmented"}
