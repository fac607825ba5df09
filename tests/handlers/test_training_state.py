"""Tests of what is saved while training, and of going on from there."""

import logging
import os
import random

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import CacheDataset, DataLoader
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import IgniteMetricHandler, LrScheduleHandler, ValidationHandler, from_engine
from monai.transforms import RandGaussianNoised
from monai.utils import set_determinism
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.handlers import AtomicCheckpointSaver, ResumableEarlyStop, TrainingState

# The best model


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


def test_a_write_that_fails_half_way_leaves_the_older_file_whole(tmp_path, network, saver, monkeypatch):
    def fail(state, file, **options):
        file.write(b"half of it")
        raise OSError("disk full")

    validate(saver, network, [0.5])
    before = (tmp_path / "models" / "model.pt").read_bytes()
    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        validate(saver, network, [0.9])
    assert (tmp_path / "models" / "model.pt").read_bytes() == before
    assert os.listdir(tmp_path / "models") == ["model.pt"]


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


# Interruptions


@pytest.fixture(autouse=True)
def _seed_nothing_else():
    yield
    set_determinism(None)


def scores_of(engine):
    return engine.state.metrics["val_loss"]


class Training:
    """A tiny training with everything that a bundle has: shuffled data, noise, dropout, validation, schedules.

    Args:
        folder: gets the state and the best model.
        resume: whether to go on from the state in the folder.
        break_in: epoch in which the power fails, after its first iteration.
        width: of the network.
        stop_after: epochs after which it stops early.
    """

    def __init__(self, folder, resume=False, break_in=None, width=8, max_epochs=5, stop_after=None):
        set_determinism(seed=9)
        data = [{"image": torch.full((3,), float(index)), "label": torch.tensor([index / 2])} for index in range(6)]
        self.network = nn.Sequential(nn.Linear(3, width), nn.Dropout(0.5), nn.Linear(width, 1))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=0.1)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, factor=0.5, patience=0)
        self.early_stop = ResumableEarlyStop(
            patience=stop_after - 1 if stop_after else 20,
            score_function=lambda engine: 0.0 if stop_after else -scores_of(engine),
        )
        self.best_model = AtomicCheckpointSaver(
            str(folder), {"model": self.network}, key_metric_name="val_loss", key_metric_negative_sign=True
        )
        self.scores = []
        self.evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(data, batch_size=3),
            network=self.network,
            key_val_metric={
                "val_loss": IgniteMetricHandler(
                    loss_fn=nn.MSELoss(), output_transform=from_engine(["pred", "label"]), save_details=False
                )
            },
            metric_cmp_fn=lambda current, best: current < best or best == -1,
            val_handlers=[
                LrScheduleHandler(self.schedule, print_lr=False, step_transform=scores_of),
                self.early_stop,
                self.best_model,
            ],
        )
        self.dataset = CacheDataset(data, RandGaussianNoised("image", prob=0.7, std=0.5), progress=False)
        self.state = TrainingState(
            folder / "training_state.pt",
            {
                "network": self.network,
                "optimizer": self.optimizer,
                "schedule": self.schedule,
                "early_stop": self.early_stop,
                "best_model": self.best_model,
            },
            self.evaluator,
            self.dataset,
            resume,
        )
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=max_epochs,
            train_data_loader=DataLoader(self.dataset, batch_size=2, shuffle=True),
            network=self.network,
            optimizer=self.optimizer,
            loss_function=nn.MSELoss(),
            train_handlers=[ValidationHandler(1, self.evaluator), self.state],
        )
        self.early_stop.set_trainer(self.trainer)
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._draw)
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, self._collect)
        if break_in is not None:
            self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._break, break_in)

    def run(self):
        self.trainer.run()
        self._draw()
        return self

    def _draw(self):
        self.drawn = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())

    def _collect(self):
        self.scores.append(self.evaluator.state.metrics["val_loss"])

    def _break(self, engine, epoch):
        if engine.state.epoch == epoch:
            raise ConnectionError("power failure")

    def everything(self):
        """Return all numbers in which two trainings may differ."""
        return {
            "network": {name: tensor.tolist() for name, tensor in self.network.state_dict().items()},
            "moments": [
                {name: tensor.tolist() for name, tensor in state.items()}
                for state in self.optimizer.state_dict()["state"].values()
            ],
            "rate": self.optimizer.param_groups[0]["lr"],
            "schedule": {name: value for name, value in self.schedule.state_dict().items() if name != "_last_lr"},
            "early_stop": self.early_stop.state_dict(),
            "best_model": self.best_model.state_dict(),
            "epochs": (self.trainer.state.epoch, self.trainer.state.iteration),
            "best": (self.evaluator.state.best_metric, self.evaluator.state.best_metric_epoch),
            "random": self.drawn,
        }


@pytest.fixture
def whole(tmp_path):
    """A training that nothing interrupts."""
    (tmp_path / "whole").mkdir()
    return Training(tmp_path / "whole").run()


@pytest.fixture
def broken(tmp_path):
    """The folder of a training that broke off in its fourth epoch."""
    (tmp_path / "broken").mkdir()
    with pytest.raises(ConnectionError):
        Training(tmp_path / "broken", break_in=4).run()
    set_determinism(seed=99)
    return tmp_path / "broken"


def test_a_resumed_training_ends_like_one_without_interruption(whole, broken):
    expected = whole.everything()
    assert Training(broken, resume=True).run().everything() == expected


def test_a_resumed_training_does_only_the_epochs_that_are_missing(whole, broken):
    resumed = Training(broken, resume=True).run()
    assert len(whole.scores) == 5
    assert resumed.scores == whole.scores[3:]


def test_a_resumed_training_keeps_the_same_best_model(tmp_path, whole, broken):
    Training(broken, resume=True).run()
    expected, resumed = (torch.load(tmp_path / name / "model.pt", weights_only=True) for name in ("whole", "broken"))
    torch.testing.assert_close(resumed, expected, rtol=0, atol=0)


def test_the_toy_training_is_best_before_its_interruption(whole):
    """Otherwise the tests above would pass without the best score."""
    assert whole.evaluator.state.best_metric_epoch <= 3


def test_the_toy_training_depends_on_all_its_random_numbers(tmp_path, whole, monkeypatch):
    """Otherwise the tests above would pass without the states of the random generators."""
    monkeypatch.setattr("monai_vlsm.handlers.training_state._set_random_states", lambda states: None)
    (tmp_path / "other").mkdir()
    with pytest.raises(ConnectionError):
        Training(tmp_path / "other", break_in=4).run()
    resumed = Training(tmp_path / "other", resume=True).run()
    assert resumed.scores != whole.scores[3:]


def test_a_finished_training_is_resumed_without_another_epoch(tmp_path, whole):
    again = Training(tmp_path / "whole", resume=True).run()
    assert again.scores == []
    assert torch.equal(again.network[0].weight, whole.network[0].weight)


def test_a_training_that_stopped_early_is_resumed_without_another_epoch(tmp_path):
    stopped = Training(tmp_path, stop_after=3).run()
    again = Training(tmp_path, resume=True, stop_after=3).run()
    assert (len(stopped.scores), again.scores) == (3, [])
    assert torch.equal(again.network[0].weight, stopped.network[0].weight)


def test_a_finished_training_can_be_prolonged(tmp_path, whole):
    (tmp_path / "short").mkdir()
    Training(tmp_path / "short", max_epochs=3).run()
    assert Training(tmp_path / "short", resume=True).run().scores == whole.scores[3:]


def test_without_resume_an_older_state_is_not_used(whole, broken):
    assert Training(broken).run().scores == whole.scores


def test_resuming_without_a_file_starts_anew_and_says_so(tmp_path, whole, caplog):
    (tmp_path / "new").mkdir()
    with caplog.at_level(logging.WARNING, logger="monai_vlsm"):
        scores = Training(tmp_path / "new", resume=True).run().scores
    assert scores == whole.scores
    assert str(tmp_path / "new" / "training_state.pt") in caplog.text


def test_the_transforms_draw_other_numbers_in_every_epoch(tmp_path):
    training, images = Training(tmp_path), []
    training.trainer.add_event_handler(Events.EPOCH_STARTED, lambda: images.append(training.dataset[5]["image"]))
    training.run()
    assert len({tuple(image.tolist()) for image in images}) > 1


def damage(path, content):
    path.write_bytes(content(path.read_bytes()))


@pytest.mark.parametrize(
    "content",
    [
        lambda whole: b"",
        lambda whole: b"this is no state",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:50],
    ],
    ids=["empty", "text", "half", "head"],
)
def test_a_damaged_state_is_refused_and_named(broken, content):
    damage(broken / "training_state.pt", content)
    with pytest.raises(DataError, match=r"training cannot go on from .*training_state\.pt"):
        Training(broken, resume=True).run()


@pytest.mark.parametrize("content", [[1, 2], {"objects": {}}, {"objects": None}, "text"])
def test_a_file_of_something_else_is_refused_and_named(broken, content):
    torch.save(content, broken / "training_state.pt")
    with pytest.raises(DataError, match=r"training cannot go on from .*training_state\.pt"):
        Training(broken, resume=True).run()


def test_the_state_of_another_network_is_refused_and_named(broken):
    with pytest.raises(DataError, match=r"(?s)training_state\.pt.*0\.weight"):
        Training(broken, resume=True, width=9).run()


def test_a_write_that_fails_half_way_leaves_the_older_state_whole(broken, monkeypatch):
    before = (broken / "training_state.pt").read_bytes()
    training = Training(broken)

    def fail(state, path, **options):
        path.write_bytes(b"half of it")
        raise OSError("disk full")

    monkeypatch.setattr("monai_vlsm.handlers.training_state.torch.save", fail)
    with pytest.raises(OSError, match="disk full"):
        training.state._save(training.trainer)
    assert (broken / "training_state.pt").read_bytes() == before


def test_only_the_first_process_saves(tmp_path, monkeypatch):
    training = Training(tmp_path)
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    training.state._save(training.trainer)
    assert not (tmp_path / "training_state.pt").exists()


def test_a_network_in_a_wrapper_is_saved_and_resumed_without_it(tmp_path):
    """So that a run on one GPU can go on on two; DataParallel stands for DistributedDataParallel."""
    plain, wrapped = nn.Linear(2, 1), nn.DataParallel(nn.Linear(2, 1))
    engine = Engine(lambda engine, batch: None)
    engine.state.best_metric, engine.state.best_metric_epoch = 0.0, 0
    for network, resume in ((plain, False), (wrapped, True)):
        state = TrainingState(tmp_path / "state.pt", {"network": network}, engine, [], resume)
        state.engines["trainer"] = engine
        state._start(engine)
        state._save(engine)
    assert torch.equal(wrapped.module.weight, plain.weight)


def test_the_scaler_of_mixed_precision_is_part_of_the_state(tmp_path):
    training = Training(tmp_path)
    training.trainer.scaler = torch.amp.GradScaler("cpu", init_scale=256)
    training.state.attach(training.trainer)
    training.state._save(training.trainer)
    saved = torch.load(tmp_path / "training_state.pt", weights_only=True)
    assert saved["objects"]["scaler"]["scale"] == 256


def stop_after(early_stop, scores, resumed_from=None):
    """Return after how many of these scores the trainer is stopped."""
    trainer = Engine(lambda engine, batch: None)
    evaluator = Engine(lambda engine, batch: None)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run([0]))
    evaluator.add_event_handler(
        Events.STARTED, lambda: evaluator.state.metrics.update(dice=scores[trainer.state.epoch - 1])
    )
    early_stop.set_trainer(trainer)
    early_stop.attach(evaluator)
    if resumed_from is not None:
        early_stop.load_state_dict(resumed_from.state_dict())
    return trainer.run([0], max_epochs=len(scores)).epoch


def new_early_stop():
    return ResumableEarlyStop(patience=3, score_function=lambda engine: engine.state.metrics["dice"])


def test_epochs_without_improvement_stop_the_training():
    assert stop_after(new_early_stop(), [0.9] + [0.6] * 9) == 4


def test_epochs_without_improvement_are_counted_on_after_an_interruption():
    broken = new_early_stop()
    assert stop_after(broken, [0.9, 0.6, 0.6]) == 3
    assert stop_after(new_early_stop(), [0.6] * 9, resumed_from=broken) == 1
