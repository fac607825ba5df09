"""Tests of what is read of a bundle that may be a stranger's."""

from __future__ import annotations

import hashlib

import pytest
import torch
from calibration.documents import give_calibration
from reports.small_bundle import write_bundle

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.reports.bundle_facts import read_bundle

STATE = {"epoch": 3, "best_metric": 0.5, "best_metric_epoch": 2, "settings": {"seed": 42}}


def test_a_model_is_told_by_its_checksum_and_by_what_was_trained(bundle):
    model = read_bundle(bundle).model
    content = (bundle / "models" / "model.pt").read_bytes()
    assert (model.sha256, model.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (model.method, model.backbone) == ("dense", "tiny")
    assert model.parameters > 1000


def test_a_bundle_without_a_model_has_none(tmp_path):
    facts = read_bundle(write_bundle(tmp_path / "busi"))
    assert (facts.model, facts.training, facts.calibration) == (None, None, None)
    assert facts.told("name").endswith(": text-prompted segmentation")
    assert facts.values["dataset_dir"] == "data/busi"


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(MissingFileError, match="there is no bundle"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("made_with", [{}, {"made_with": {"python": "3.11"}}], ids=["of 0.2.0", "of today"])
def test_the_state_of_a_training_is_read(bundle, made_with):
    (bundle / "eval").mkdir()
    torch.save({**STATE, **made_with}, bundle / "eval" / "training_state.pt")
    training = read_bundle(bundle).training
    assert (training.epochs, training.best, training.best_epoch, training.settings) == (3, 0.5, 2, {"seed": 42})
    assert training.made_with == made_with.get("made_with", {})


@pytest.mark.parametrize(
    "state", [[], {}, {**STATE, "epoch": "x"}, {**STATE, "settings": 3}, {**STATE, "best_metric_epoch": float("inf")}]
)
def test_another_file_in_the_place_of_a_state_is_refused(bundle, state):
    (bundle / "eval").mkdir()
    torch.save(state, bundle / "eval" / "training_state.pt")
    with pytest.raises(DataError, match="is no training state"):
        read_bundle(bundle)


def test_a_calibration_is_read_strictly(bundle):
    path = give_calibration(bundle)
    assert read_bundle(bundle).calibration["format"] == 1
    path.write_text(path.read_text().replace('"alpha": 0.1', '"alpha": "<script>"'))
    with pytest.raises(DataError, match="alpha"):
        read_bundle(bundle)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"name": "a", "name": "b"}', b"{" + b" " * 2**20 + b"}"])
def test_damaged_metadata_is_refused(bundle, content):
    (bundle / "configs" / "metadata.json").write_bytes(content)
    with pytest.raises(DataError, match=r"metadata\.json"):
        read_bundle(bundle)
