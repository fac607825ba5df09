"""All that happens to one image."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from predicting.conftest import write_picture

from monai_vlsm.errors import DataError
from monai_vlsm.predicting import write
from monai_vlsm.predicting.case import segment_case
from monai_vlsm.predicting.jobs import Ask, Job
from monai_vlsm.predicting.records import read_record
from monai_vlsm.predicting.sources import Source
from monai_vlsm.predicting.targets import targets_of
from monai_vlsm.transforms.overlap import merge_labels

PROMPTS = ("cyst", "bright mass", "calf")


def job_of(path: Path, *prompts: str, values=(1, 2, 3), shown: bool = False) -> Job:
    asks = tuple(Ask(prompt, "", value) for prompt, value in zip(prompts, values, strict=False))
    return Job(Source((path,), "case"), asks, shown)


@pytest.fixture(params=["png", "nii.gz"])
def image(request, tmp_path) -> Path:
    path = tmp_path / f"image.{request.param}"
    if request.param == "png":
        return write_picture(path)
    volume = np.random.default_rng(0).normal(size=(20, 24, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([-1.0, 2, 3, 1])), path)
    return path


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)) if path.suffix == ".png" else nibabel.load(path).get_fdata()


def test_an_image_is_encoded_once_however_many_prompts_there_are(predictor, plan, image, monkeypatch):
    encoded, encode = [], predictor.network.encode_image
    monkeypatch.setattr(predictor.network, "encode_image", lambda pictures: encoded.append(1) or encode(pictures))
    segment_case(predictor, job_of(image, *PROMPTS), plan)
    assert len(encoded) == 1


def test_masks_and_probabilities_are_those_of_the_predictor(predictor, plan, image):
    job, plan = job_of(image, *PROMPTS[:2]), replace(plan, probabilities=True)
    segment_case(predictor, job, plan)
    targets = targets_of(job, plan)
    for prompt, mask, probability in zip(PROMPTS, targets.masks, targets.probabilities, strict=False):
        expected = predictor.set_image(image).predict(prompt)
        np.testing.assert_array_equal(read(plan.folder / mask) > 0, expected.mask)
        steps = 65535 if probability.endswith(".png") else 1
        np.testing.assert_allclose(read(plan.folder / probability) / steps, expected.probability, atol=1e-5)


def test_a_volume_lies_where_its_image_lies(predictor, plan, image):
    plan = replace(plan, probabilities=True, label_map=True)
    segment_case(predictor, job_of(image, "cyst"), plan)
    if image.suffix == ".gz":
        volumes = [nibabel.load(path) for path in plan.folder.glob("*.nii.gz")]
        assert len(volumes) == 3
        for volume in volumes:
            np.testing.assert_array_equal(volume.affine, nibabel.load(image).affine)


@pytest.mark.parametrize("values", [(1, 2, 3), (7, 255, 9), (7, 65535, 9)])
@pytest.mark.parametrize("priority", [(), ("calf", "cyst")])
def test_a_label_map_follows_the_rule_for_overlaps(predictor, plan, image, values, priority):
    job, plan = job_of(image, *PROMPTS, values=values), replace(plan, label_map=True, priority=priority)
    segment_case(predictor, job, plan)
    predictor.set_image(image)
    found = [predictor.predict(prompt) for prompt in PROMPTS]
    probabilities, masks = ([torch.tensor(getattr(one, name)) for one in found] for name in ("probability", "mask"))
    assert torch.stack(masks).sum(0).max() > 1, "nothing overlaps: the test would pass without a rule"
    expected = merge_labels(probabilities, masks, values, [2, 0] if priority else None)
    np.testing.assert_array_equal(read(plan.folder / str(targets_of(job, plan).label_map)), expected.numpy())


def test_an_indexed_label_map_shows_its_labels_in_color(predictor, plan, tmp_path):
    plan = replace(plan, label_map=True)
    segment_case(predictor, job_of(write_picture(tmp_path / "a.png"), *PROMPTS), plan)
    label_map = Image.open(plan.folder / "case_labels.png")
    assert label_map.mode == "P"
    assert (255, 72, 72) in {color for _, color in label_map.convert("RGB").getcolors()}


def test_the_record_has_a_row_for_each_prompt_and_comes_with_its_files(predictor, plan, image):
    job, plan = job_of(image, *PROMPTS[:2], shown=True), replace(plan, thumbnails=True, look_below=1.0)
    segment_case(predictor, job, plan)
    record = read_record(job, plan)
    written = {path.relative_to(plan.folder).as_posix() for path in plan.folder.rglob("*") if path.is_file()}
    assert written - {".records/case.json"} == set(record["files"]) == set(targets_of(job, plan).all())
    first, second = record["rows"]
    expected = predictor.set_image(image).predict("bright mass")
    assert second["pixels"] == int(expected.mask.sum())
    assert second["presence"] == pytest.approx(expected.presence, abs=1e-6)
    assert second["mean_probability"] == pytest.approx(expected.mean_probability, abs=1e-6)
    assert (first["look"], first["emptied"], first["agreement"]) == (True, False, None)


def test_the_agreement_of_wordings_is_told_where_there_are_some(predictor, plan, image, monkeypatch):
    monkeypatch.setattr(predictor, "paraphrases", 3)
    segment_case(predictor, job_of(image, "cyst"), plan)
    (row,) = read_record(job_of(image), plan)["rows"]
    assert row["agreement"] == pytest.approx(predictor.set_image(image).predict("cyst").agreement, abs=1e-6)


def test_an_emptied_mask_is_written_and_told(predictor, plan, image, monkeypatch):
    monkeypatch.setattr(predictor, "min_presence", 1.0)
    segment_case(predictor, job_of(image, "cyst"), plan)
    (row,) = read_record(job_of(image), plan)["rows"]
    assert (row["emptied"], row["pixels"], row["components"]) == (True, 0, 0)
    assert not read(plan.folder / row["mask"]).any()


def broken(path: Path) -> None:
    path.write_bytes(b"no picture")


def nothing(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def no_pixels(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((0, 4, 2), np.float32), np.eye(4)), path.with_suffix(".nii"))
    path.symlink_to(path.with_suffix(".nii"))


@pytest.mark.parametrize("name", ["image.png", "image.nii.gz", "image.dcm", "IM1"])
@pytest.mark.parametrize("make", [broken, nothing, a_folder, a_link_to_itself, no_pixels, lambda path: None])
def test_an_image_that_cannot_be_read_becomes_an_error_of_its_record(predictor, plan, tmp_path, name, make):
    make(tmp_path / name)
    job = job_of(tmp_path / name, "cyst")
    segment_case(predictor, job, plan)
    record = read_record(job, plan)
    assert record["error"]
    assert (record["rows"], record["files"]) == ([], {})


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_an_image_of_any_shape_gets_a_mask_of_its_size(predictor, plan, tmp_path, size):
    job, plan = job_of(write_picture(tmp_path / "a.png", size=size), "cyst", shown=True), replace(plan, thumbnails=True)
    segment_case(predictor, job, plan)
    assert read_record(job, plan)["error"] is None
    assert read(plan.folder / "case_mask.png").shape == size


def test_a_fault_of_the_network_is_an_error_of_the_image(predictor, plan, image, monkeypatch):
    def fail(*_):
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(predictor.network, "encode_image", fail)
    segment_case(predictor, job_of(image, "cyst"), plan)
    assert read_record(job_of(image), plan)["error"] == "RuntimeError: CUDA out of memory"


def test_a_full_disk_is_no_error_of_the_image_and_leaves_no_record(predictor, plan, image, monkeypatch):
    segment_case(predictor, job_of(image, "cyst"), plan)

    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "save_volume", fail)
    monkeypatch.setattr(write, "write_mask", fail)
    with pytest.raises(DataError, match="the disk is full"):
        segment_case(predictor, job_of(image, "cyst"), plan)
    assert read_record(job_of(image), plan) is None


def test_files_of_an_image_that_vanish_while_it_is_written_are_its_error(predictor, plan, image, monkeypatch):
    def fail(*_):
        raise FileNotFoundError(errno.ENOENT, "No such file", "image.dcm")

    monkeypatch.setattr(write, "measured", fail)
    segment_case(predictor, job_of(image, "cyst"), plan)
    assert "image.dcm" in read_record(job_of(image), plan)["error"]


def test_a_record_is_taken_back_before_files_change(predictor, plan, image, monkeypatch):
    """What was killed between two files must not look finished by an older record."""
    job = job_of(image, "cyst")
    segment_case(predictor, job, plan)
    seen = []
    monkeypatch.setattr(write, "_write_mask", lambda *_: seen.append(read_record(job, plan)))
    with pytest.raises(DataError):
        segment_case(predictor, replace(job, asks=(Ask("x", "y", 1),)), plan)
    assert seen == [None]


def test_a_record_is_plain_json(predictor, plan, image):
    segment_case(predictor, job_of(image, "cyst"), plan)
    assert json.loads((plan.folder / ".records" / "case.json").read_text())["fingerprint"] == plan.fingerprint
