"""Labels and training over REST, as 3D Slicer sends them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from calibration.documents import DOCUMENT, give_calibration
from monai_label.pictures import picture, write_mask, write_picture
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_vlsm.predictor import Predictor

CUT = {**DOCUMENT["presence"], "threshold": 1.0}
"""A presence that no image reaches."""


def wait_for_training(server, seconds=300):
    """Wait for the end of the training that was started last, and return what became of it."""
    end = time.monotonic() + seconds
    while (task := server.request("GET", "/train/").json())["status"] in ("SUBMITTED", "RUNNING"):
        assert time.monotonic() < end, f"training does not end: {task}"
        time.sleep(1)
    return task


def weights(server):
    return torch.load(server.app / "model" / "busi" / "models" / "model.pt", weights_only=True)["model"]


def steps(server):
    events = EventAccumulator(str(server.app / "model" / "busi" / "eval")).Reload()
    return [event.step for event in events.Scalars("train_loss")]


def half(mask_of=picture):
    mask = np.zeros(mask_of().shape, np.uint8)
    mask[:, : mask.shape[1] // 2] = 1
    return mask


@pytest.fixture(scope="module")
def labeled(learning, tmp_path_factory):
    """Four images with a mask of their left half: two of the studies, one uploaded by Slicer, one with a PNG mask."""
    folder = tmp_path_factory.mktemp("labels")
    Image.fromarray(half() * 255).save(folder / "half.png")
    one_slice = write_mask(folder / "half.nii.gz", half())
    answers = [
        learning.add_image("uploaded", write_picture(folder, "color")),
        learning.save_label("uploaded", one_slice),
        learning.save_label("gray", one_slice),
        learning.save_label("rgb_jpg", one_slice),
        learning.save_label("palette", folder / "half.png"),
    ]
    assert [answer.status for answer in answers] == [200] * 5, answers
    return learning


@pytest.fixture(scope="module")
def trained(labeled):
    """The state before training, and what Slicer's button Train did with its own options and fewer epochs."""
    give_calibration(labeled.app / "model" / "busi", presence=CUT)
    before = weights(labeled), labeled.infer("busi", "gray")
    options = {**labeled.options("trainers", "busi"), "max_epochs": 12}
    assert options["run_id"] == ""
    assert labeled.train("busi", **options).status == 200
    return before, wait_for_training(labeled)


def test_training_without_labels_is_refused_with_a_reason(learning):
    answer = learning.train("busi", run_sync=True)
    assert (answer.status, answer.reason) == (400, "there is nothing to train on: submit a label first.")


def test_labels_of_slicer_are_kept_with_their_images(labeled):
    listed = labeled.request("GET", "/datastore/?output=train").json()
    assert sorted(entry["image"].rsplit("/", 1)[1] for entry in listed) == [
        "gray.png",
        "palette.png",
        "rgb_jpg.jpg",
        "uploaded.nii.gz",
    ]


def test_slicers_training_ends_well_and_trains_once(labeled, trained):
    _, task = trained
    assert task["status"] == "DONE", task
    assert steps(labeled) == list(range(1, 13)), "12 epochs of one batch are 12 steps"


def test_training_changes_the_model(labeled, trained):
    (before, _), _ = trained
    after = weights(labeled)
    assert after.keys() == before.keys()
    assert any(not torch.equal(after[name], before[name]) for name in before if after[name].is_floating_point())


def test_the_next_inference_uses_what_was_learned(labeled, trained, values, tmp_path):
    (_, before), _ = trained
    answer = labeled.infer("busi", "gray")
    fresh = Predictor.from_bundle(labeled.app / "model" / "busi", device="cpu")
    expected = fresh.set_image(write_picture(tmp_path, "gray")).predict("Tumor in the breast ultrasound image.").mask
    np.testing.assert_array_equal(values(answer), expected)
    assert answer.mask != before.mask
    overlap = 2 * (expected & (half() > 0)).sum() / (expected.sum() + half().sum())
    assert overlap > 0.8, "it was trained on the left half"


def test_a_calibration_that_comes_while_the_server_runs_is_used(trained):
    (_, before), _ = trained
    assert before.json()["emptied"] is True


def test_the_calibration_of_the_older_model_is_set_aside_and_used_no_more(labeled, trained):
    models = labeled.app / "model" / "busi" / "models"
    assert not (models / "calibration.json").exists()
    assert list(models.glob("older/calibration_*.json"))
    assert labeled.infer("busi", "gray").json()["emptied"] is False


@pytest.mark.parametrize("run_id", ["", "run", "training"])
@pytest.mark.parametrize("val_split", [0.2, 0.0])
def test_every_way_to_start_training_writes_a_model(labeled, trained, run_id, val_split):
    path = labeled.app / "model" / "busi" / "models" / "model.pt"
    before = path.stat().st_mtime_ns
    answer = labeled.train("busi", run_sync=True, run_id=run_id, val_split=val_split, max_epochs=1)
    assert answer.status == 200, answer.body
    assert path.stat().st_mtime_ns > before


def test_many_images_are_segmented_into_labels_of_the_model(labeled, trained, read):
    answer = labeled.request("POST", "/batch/infer/busi?images=labeled&run_sync=true", b'{"max_workers": 2}')
    assert (answer.status, answer.json().keys()) == (200, {"gray", "rgb_jpg", "palette", "uploaded"}), answer.body
    label = labeled.request("GET", "/datastore/label?label=uploaded&tag=original")
    assert (label.status, label.body) == (
        200,
        (labeled.studies / "labels" / "original" / "uploaded.nii.gz").read_bytes(),
    )


def test_training_a_model_that_is_not_there_gets_a_reason(labeled):
    answer = labeled.train("wrong", run_sync=True)
    assert (answer.status, "there is no model 'wrong'" in answer.reason) == (404, True), answer.body


def test_a_configuration_that_changed_since_the_check_trains_nothing(labeled, trained):
    config = labeled.app / "model" / "busi" / "configs" / "train.json"
    checked = config.read_text()
    try:
        config.write_text(checked.replace('"imports": [', '"imports": ["$print()",'))
        answer = labeled.train("busi", run_sync=True, max_epochs=1)
    finally:
        config.write_text(checked)
    assert (answer.status, "that was checked" in answer.reason) == (400, True), answer.body


def test_a_mask_of_another_size_gets_a_reason_and_the_server_lives_on(labeled, trained, tmp_path):
    assert labeled.save_label("rgba", write_mask(tmp_path / "small.nii.gz", half()[:10])).status == 200
    answer = labeled.train("busi", run_sync=True, max_epochs=1)
    labeled.request("DELETE", "/datastore/label?id=rgba&tag=final")
    assert (answer.status, "rgba" in answer.reason) == (400, True), answer.body
    assert labeled.infer("busi", "gray").status == 200
