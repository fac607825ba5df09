"""Tests of keeping the best model of a training, and that of an earlier one."""

import logging
import os
import re
import shutil

import pytest
import torch
from ignite.engine import Engine, Events
from small_disk import FULL, SMALL_DISK
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.handlers import AtomicCheckpointSaver


class Weight(nn.Module):
    """One number."""

    def __init__(self, value=0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


def validate(saver, network, scores, first=1):
    """Run validations with these scores; the weight of the network is the number of the epoch."""
    engine = Engine(lambda engine, batch: None)

    @engine.on(Events.EPOCH_COMPLETED)
    def score(engine):
        epoch = first + engine.state.epoch - 1
        network.value.data.fill_(epoch)
        engine.state.key_metric_name = "dice"
        engine.state.metrics["dice"] = scores[engine.state.epoch - 1]

    saver.attach(engine)
    engine.run([0], max_epochs=len(scores))


@pytest.fixture
def network():
    return Weight()


@pytest.fixture
def saver(tmp_path, network):
    return AtomicCheckpointSaver(str(tmp_path / "models"), {"model": network})


def saved_epoch(folder):
    return torch.load(folder / "models" / "model.pt", weights_only=True)["model"]["value"].item()


@pytest.mark.parametrize(("scores", "best"), [([0.5], 1), ([0.5, 0.8, 0.6], 2), ([0.5, 0.6, 0.7], 3), ([0.9, 0.9], 1)])
def test_the_best_model_is_kept(tmp_path, network, saver, scores, best):
    validate(saver, network, scores)
    assert saved_epoch(tmp_path) == best


def test_nothing_but_the_best_model_is_kept(tmp_path, network, saver):
    validate(saver, network, [0.5, 0.8, 0.6, 0.9])
    assert os.listdir(tmp_path / "models") == ["model.pt"]


def test_the_file_holds_the_weights_by_the_name_of_the_network(tmp_path, network, saver):
    validate(saver, network, [0.5])
    saved = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert {name: set(state) for name, state in saved.items()} == {"model": {"value"}}


def test_the_file_can_have_another_name(tmp_path, network):
    validate(AtomicCheckpointSaver(str(tmp_path), {"model": network}, "best.pt"), network, [0.5])
    assert os.listdir(tmp_path) == ["best.pt"]


def test_the_file_can_be_read_by_others(tmp_path, network, saver):
    """Temporary files can be read by their owner only."""
    validate(saver, network, [0.5])
    assert (tmp_path / "models" / "model.pt").stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize(("score", "epoch"), [(0.7, 1), (0.9, 2)])
def test_the_best_score_is_resumed(tmp_path, network, saver, score, epoch):
    validate(saver, network, [0.8])
    torch.save(saver.state_dict(), tmp_path / "saver.pt")
    resumed = AtomicCheckpointSaver(str(tmp_path / "models"), {"model": network})
    resumed.load_state_dict(torch.load(tmp_path / "saver.pt", weights_only=True))
    validate(resumed, network, [score], first=2)
    assert saved_epoch(tmp_path) == epoch


def new_saver(tmp_path, network):
    return AtomicCheckpointSaver(str(tmp_path / "models"), {"model": network})


def older_models(folder):
    return sorted((folder / "models" / "older").glob("*"))


# Disks


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(122, "Disk quota exceeded")])
def test_a_write_that_fails_half_way_leaves_the_older_model_alone_and_whole(
    tmp_path, network, saver, monkeypatch, error
):
    def fail(state, file, **options):
        file.write(b"half of it")
        raise error

    validate(saver, network, [0.5])
    before = (tmp_path / "models" / "model.pt").read_bytes()
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(DataError, match="the disk is full"):
        validate(saver, network, [0.9])
    assert (tmp_path / "models" / "model.pt").read_bytes() == before
    assert os.listdir(tmp_path / "models") == ["model.pt"]


@SMALL_DISK
def test_on_a_disk_that_is_really_full_the_older_model_stays_alone_and_whole(small_disk, network):
    saver = new_saver(small_disk, network)
    validate(saver, network, [0.5])
    before = (small_disk / "models" / "model.pt").read_bytes()
    network.much = nn.Parameter(torch.zeros(FULL // 4))
    with pytest.raises(DataError, match=r"cannot write .*model\.pt.*the disk is full"):
        validate(saver, network, [0.9])
    assert (small_disk / "models" / "model.pt").read_bytes() == before
    assert os.listdir(small_disk / "models") == ["model.pt"]


# The model of an earlier training


def test_the_model_of_an_earlier_training_is_kept_and_named(tmp_path, network, saver, caplog):
    validate(saver, network, [0.9])
    before = (tmp_path / "models" / "model.pt").read_bytes()
    with caplog.at_level(logging.WARNING, logger="monai_vlsm"):
        validate(new_saver(tmp_path, network), network, [0.1, 0.2], first=5)
    (backup,) = older_models(tmp_path)
    assert backup.read_bytes() == before
    assert str(backup) in caplog.text
    assert saved_epoch(tmp_path) == 6


def test_the_model_of_an_earlier_training_is_no_model_that_monai_label_offers(tmp_path, network, saver):
    """It lists models/*.pt and takes the shortest name."""
    validate(saver, network, [0.9])
    validate(new_saver(tmp_path, network), network, [0.1])
    assert [path.name for path in (tmp_path / "models").glob("*.pt")] == ["model.pt"]


def test_the_calibration_of_a_model_goes_before_the_next_model_comes(tmp_path, network, saver, caplog):
    validate(saver, network, [0.5])
    (tmp_path / "models" / "calibration.json").write_text("of the first model")
    with caplog.at_level(logging.WARNING, logger="monai_vlsm"):
        validate(saver, network, [0.6], first=2)
    (aside,) = older_models(tmp_path)
    assert re.fullmatch(r"calibration_.+\.json", aside.name)
    assert aside.read_text() == "of the first model"
    assert not (tmp_path / "models" / "calibration.json").exists()
    assert f"kept as {str(aside)!r}: calibrate the new one" in caplog.text


def test_a_calibration_stays_while_no_better_model_comes(tmp_path, network, saver):
    validate(saver, network, [0.5])
    (tmp_path / "models" / "calibration.json").write_text("of the first model")
    validate(saver, network, [0.4], first=2)
    assert (tmp_path / "models" / "calibration.json").exists()


def test_a_calibration_that_cannot_be_moved_keeps_the_next_model_away(tmp_path, network, saver):
    validate(saver, network, [0.5])
    (tmp_path / "models" / "calibration.json").write_text("of the first model")
    (tmp_path / "models" / "older").write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        validate(saver, network, [0.6], first=2)
    assert saved_epoch(tmp_path) == 1


def test_a_training_keeps_no_models_of_its_own(tmp_path, network, saver):
    validate(saver, network, [0.5, 0.8, 0.9])
    assert older_models(tmp_path) == []


def test_a_resumed_training_keeps_no_models_of_its_own(tmp_path, network, saver):
    validate(saver, network, [0.5])
    resumed = new_saver(tmp_path, network)
    resumed.load_state_dict(saver.state_dict())
    validate(resumed, network, [0.8], first=2)
    assert older_models(tmp_path) == []


def test_a_resumed_training_keeps_the_model_that_another_one_left_meanwhile(tmp_path, network, saver):
    validate(saver, network, [0.5])
    (tmp_path / "models" / "model.pt").write_bytes(b"of somebody else")
    resumed = new_saver(tmp_path, network)
    resumed.load_state_dict(saver.state_dict())
    validate(resumed, network, [0.8], first=2)
    assert [path.read_bytes() for path in older_models(tmp_path)] == [b"of somebody else"]


def test_models_of_several_trainings_are_all_kept(tmp_path, network, saver):
    for epoch in range(3):
        validate(new_saver(tmp_path, network), network, [0.5], first=epoch)
    epochs = [torch.load(path, weights_only=True)["model"]["value"].item() for path in older_models(tmp_path)]
    assert epochs == [0, 1]


def test_a_training_without_a_better_model_does_not_touch_that_of_an_earlier_one(tmp_path, network, saver):
    validate(saver, network, [])
    assert not (tmp_path / "models" / "older").exists()


def test_an_earlier_model_that_cannot_be_kept_is_not_replaced(tmp_path, network, saver, monkeypatch):
    def fail(source, target):
        target.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    validate(saver, network, [0.9])
    before = (tmp_path / "models" / "model.pt").read_bytes()
    monkeypatch.setattr(shutil, "copy2", fail)
    with pytest.raises(DataError, match="the disk is full"):
        validate(new_saver(tmp_path, network), network, [0.1])
    assert (tmp_path / "models" / "model.pt").read_bytes() == before
    assert older_models(tmp_path) == []


def test_what_a_killed_training_left_is_removed_by_the_next_one(tmp_path, network, saver):
    validate(saver, network, [0.5])
    (tmp_path / "models" / ".0123456789abcdef.part.model.pt").write_bytes(b"half of it")
    validate(new_saver(tmp_path, network), network, [0.5])
    assert sorted(os.listdir(tmp_path / "models")) == ["model.pt", "older"]


def test_only_the_first_process_saves(tmp_path, network, saver, monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    validate(saver, network, [0.5])
    assert os.listdir(tmp_path / "models") == []
