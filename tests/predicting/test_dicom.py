"""DICOM series and files through a prediction: grouped, segmented, written as SEG, and silent about patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from dicom.corpus import write_series
from predicting.conftest import read_results, write_picture

from monai_vlsm.dicom import patient
from monai_vlsm.predicting.case import segment_case
from monai_vlsm.predicting.job_file import read_jobs
from monai_vlsm.predicting.jobs import Job, make_jobs
from monai_vlsm.predicting.records import read_record, write_results
from monai_vlsm.predicting.sources import find_sources

NAME = "Doe^Jane"


@pytest.fixture
def study(tmp_path) -> Path:
    """A folder with a series of five slices in a sub-folder, and a picture."""
    write_series(tmp_path / "study" / "ct", PatientName=NAME)
    write_picture(tmp_path / "study" / "photo.png")
    return tmp_path / "study"


def segmented(predictor, folder, plan, *prompts) -> list[Job]:
    jobs = make_jobs(find_sources([folder]), prompts, shown=9)
    for job in jobs:
        segment_case(predictor, job, plan)
    return jobs


def test_the_files_of_a_series_are_one_image_and_have_the_name_of_the_first(study):
    found = {source.name: len(source.files) for source in find_sources([study])}
    first = min(path.stem for path in (study / "ct").iterdir())
    assert found == {"photo": 1, f"ct/{first}": 5}


def test_a_series_is_a_volume_with_milliliters(predictor, plan, study):
    photo, series = segmented(predictor, study, plan, "cyst")
    (row,) = read_record(series, plan)["rows"]
    assert row["mask"].endswith("_mask.nii.gz")
    assert row["ml"] > 0
    assert read_record(photo, plan)["rows"][0]["ml"] is None


def test_a_seg_has_a_segment_for_each_prompt_and_pictures_get_none(predictor, plan, study):
    photo, series = segmented(predictor, study, replace(plan, dicom_seg=True), "cyst", "bright mass")
    (written,) = plan.folder.rglob("*_seg.dcm")
    segments = pydicom.dcmread(written).SegmentSequence
    assert [segment.SegmentLabel for segment in segments] == ["cyst", "bright mass"]
    assert (read_record(photo, plan)["error"], read_record(series, plan)["error"]) == (None, None)


def test_a_folder_in_a_file_of_jobs_is_a_series(study):
    (study / "jobs.csv").write_text("image,prompt\nct,cyst\n")
    (job,) = read_jobs(study / "jobs.csv", "x")
    assert (job.source.name, len(job.source.files)) == ("ct", 5)


def test_a_patient_is_named_only_if_asked_for(predictor, plan, study):
    jobs = segmented(predictor, study, plan, "cyst")
    write_results(jobs, plan)
    assert not [path for path in plan.folder.rglob("*") if path.is_file() and b"Doe" in path.read_bytes()]
    asked = replace(plan, with_patient=True)
    jobs = segmented(predictor, study, asked, "cyst")
    write_results(jobs, asked)
    assert [row["patient_name"] for row in read_results(asked.folder)] == ["", NAME]
    write_results(jobs, plan)  # the records know the patient now
    assert not set(read_results(plan.folder)[0]) & set(patient.COLUMNS)
