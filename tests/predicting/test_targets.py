"""Files that a run writes, known before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from predicting.conftest import write_picture

from monai_vlsm.errors import DataError
from monai_vlsm.predicting.jobs import Ask, Job, make_jobs
from monai_vlsm.predicting.sources import Source, find_sources
from monai_vlsm.predicting.targets import require_apart, targets_of


def job(name: str, file: str, *labels: str, shown: bool = False) -> Job:
    asks = [Ask(label or "prompt", label, value) for value, label in enumerate(labels or ("",), 1)]
    return Job(Source((Path(file),), name), tuple(asks), shown)


def test_one_prompt_gives_one_mask_of_the_kind_of_the_image(plan):
    assert targets_of(job("b/a", "/data/a.png"), plan).all() == ["b/a_mask.png"]
    assert targets_of(job("a", "/data/a.mha"), plan).all() == ["a_mask.nii.gz"]


def test_everything_that_can_be_written(plan):
    plan = replace(plan, label_map=True, probabilities=True, dicom_seg=True, thumbnails=True)
    assert targets_of(job("a", "/data/IM1", "x", "y", shown=True), plan).all() == [
        "a_x.nii.gz",
        "a_y.nii.gz",
        "a_x_probability.nii.gz",
        "a_y_probability.nii.gz",
        "a_labels.nii.gz",
        "a_seg.dcm",
        "overlays/a.png",
        "thumbnails/a.jpg",
    ]


@pytest.mark.parametrize("file", ["a.png", "a.nii.gz", "a.mha"])
def test_only_dicom_images_get_a_dicom_seg(plan, file):
    assert targets_of(job("a", f"/data/{file}"), replace(plan, dicom_seg=True)).seg is None


def test_a_label_that_makes_another_image_of_a_name_is_refused(plan):
    jobs = [job("a", "/data/a.png", "b_c", "d"), job("a_b", "/data/a_b.png", "c", "d")]
    require_apart(jobs, plan)  # a_b-c.png and a_b_c.png
    jobs[0] = job("a_b", "/data/a.png", "C", "d")
    with pytest.raises(DataError, match=r"'a_b_c\.png' would be written for two images, '/data/a\.png' and"):
        require_apart(jobs, plan)


def test_a_mask_in_the_place_of_the_label_map_is_refused(plan):
    jobs = [job("a", "/data/a.png", "Labels", "b")]
    require_apart(jobs, plan)
    with pytest.raises(DataError, match=r"'a_labels\.png' would be written twice"):
        require_apart(jobs, replace(plan, label_map=True))


def test_an_overlay_does_not_hit_a_mask_in_a_folder_of_that_name(plan):
    jobs = [job("a_mask", "/data/a_mask.png", shown=True), job("overlays/a", "/data/overlays/a.png")]
    with pytest.raises(DataError, match="would be written for two images"):
        require_apart(jobs, plan)


@pytest.mark.parametrize("folder", ["a_mask.png", "results.csv"])
def test_a_file_in_the_place_of_a_folder_is_refused(plan, folder):
    jobs = [job("a", "/data/a.png"), job(f"{folder}/b", f"/data/{folder}/b.png")]
    with pytest.raises(DataError, match=f"'{folder}' would be a file, and the folder of other results"):
        require_apart(jobs, plan)


def test_a_result_over_an_image_is_refused(plan, tmp_path):
    """Whatever way leads to it: here, the folder of the results is a link to that of the images."""
    for name in ("a.png", "a_mask.png"):
        write_picture(tmp_path / "pictures" / name)
    jobs = make_jobs(find_sources([tmp_path / "pictures"]), ["x"])
    require_apart(jobs, plan)
    plan.folder.symlink_to(tmp_path / "pictures")
    with pytest.raises(DataError, match=r"a result would be written over the image '.*a_mask\.png'"):
        require_apart(jobs, plan)
