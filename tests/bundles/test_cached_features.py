"""Training with images, masks and states of the frozen vision encoder from the disk is the same training."""

from __future__ import annotations

import shutil

import pytest
import torch
from bundles.quick import QUICK, trained_weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_vlsm.errors import find_message
from monai_vlsm.networks.nets.base import CLIPSegNetwork

OPTIONS = {**QUICK, "method": "shallow", "max_epochs": 2, "cache": "disk", "cache_features": True}


@pytest.fixture(scope="module")
def cached(train):
    return train()


def numbers(root):
    events = EventAccumulator(str(root / "eval")).Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_losses_and_metrics_of_two_epochs_are_those_without(train, cached):
    found, expected = numbers(cached), numbers(train(cache="memory", cache_features=False))
    assert len(found["train_loss"]) > 2
    assert found.keys() == expected.keys() >= {"train_loss", "val_loss", "val_dice"}
    for tag, values in expected.items():
        assert found[tag] == pytest.approx(values, rel=0, abs=1e-6), tag


@pytest.mark.parametrize(("kind", "number"), [("images", 9), ("masks", 13), ("states", 9)])
def test_what_is_distinct_lies_in_the_bundle_once(cached, kind, number):
    assert len(list((cached / "cache" / kind).rglob("*.npy"))) == number


def test_the_vision_encoder_runs_in_no_epoch(train, cached, monkeypatch, tmp_path):
    runs, extract = [], CLIPSegNetwork._extract_states
    monkeypatch.setattr(CLIPSegNetwork, "_extract_states", lambda *given: (runs.append(1), extract(*given))[1])
    train(shutil.copytree(cached, tmp_path / "phantom"), max_epochs=1)
    assert len(runs) == 2, "one image tells shape and type of the states, for training and for validation"


def test_training_goes_on_exactly_with_processes_that_load_data(train, cached):
    resumed = train(train(max_epochs=1, num_workers=2), resume=True)
    expected, found = trained_weights(cached), trained_weights(resumed)
    assert expected
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.parametrize("method", ["dense", "full"])
def test_methods_that_change_the_vision_encoder_are_refused_in_a_sentence(train, method):
    with pytest.raises(RuntimeError) as failure:
        train(method=method)
    assert "cache_features must be false" in str(find_message(failure.value))
