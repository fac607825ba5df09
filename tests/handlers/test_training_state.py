"""Tests of what is saved while training, and of going on from there."""

import logging
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import IgniteMetricHandler, LrScheduleHandler, ValidationHandler, from_engine
from monai.transforms import Compose, RandGaussianNoised
from monai.utils import set_determinism
from small_disk import FULL, SMALL_DISK
from torch import nn

from monai_vlsm.datasets import SeededCacheDataset
from monai_vlsm.errors import DataError
from monai_vlsm.handlers import AtomicCheckpointSaver, ResumableEarlyStop, TrainingState


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
        images: number of training images.
        num_workers: processes that load them.
        batch_size, max_epochs, learning_rate, weight_decay, lr_factor, lr_patience, other: settings.
    """

    def __init__(
        self,
        folder,
        resume=False,
        break_in=None,
        width=8,
        max_epochs=5,
        stop_after=None,
        images=6,
        num_workers=0,
        batch_size=2,
        learning_rate=0.1,
        weight_decay=0.01,
        lr_factor=0.5,
        lr_patience=0,
        seed=9,
        **other,
    ):
        set_determinism(seed=seed)
        data = [
            {"image": torch.full((3,), float(index)), "label": torch.tensor([index / 2])} for index in range(images)
        ]
        self.network = nn.Sequential(nn.Linear(3, width), nn.Dropout(0.5), nn.Linear(width, 1))
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=learning_rate, weight_decay=weight_decay)
        self.schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, factor=lr_factor, patience=lr_patience
        )
        patience = stop_after - 1 if stop_after else 20
        self.early_stop = ResumableEarlyStop(
            patience=patience, score_function=lambda engine: 0.0 if stop_after else -scores_of(engine)
        )
        self.best_model = AtomicCheckpointSaver(
            str(folder), {"model": self.network}, key_metric_name="val_loss", key_metric_negative_sign=True
        )
        self.scores = []
        self.evaluator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(data[:6], batch_size=3, num_workers=num_workers),
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
        noise = Compose([RandGaussianNoised("image", prob=0.7, std=0.5)])
        self.dataset = SeededCacheDataset(data, noise)
        self.state = TrainingState(
            folder / "training_state.pt",
            {
                "network": self.network,
                "optimizer": self.optimizer,
                "lr_scheduler": self.schedule,
                "early_stop": self.early_stop,
                "best_model": self.best_model,
            },
            self.evaluator,
            self.dataset,
            {
                "max_epochs": max_epochs,
                "learning_rate": learning_rate,
                "weight_decay": weight_decay,
                "lr_factor": lr_factor,
                "lr_patience": lr_patience,
                "early_stop_patience": patience,
                "seed": seed,
                **other,
            },
            resume,
        )
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=max_epochs,
            train_data_loader=DataLoader(self.dataset, batch_size=batch_size, shuffle=True, num_workers=num_workers),
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
            "lr_scheduler": {name: value for name, value in self.schedule.state_dict().items() if name != "_last_lr"},
            "early_stop": self.early_stop.state_dict(),
            "best_model": self.best_model.state_dict(),
            "epochs": (self.trainer.state.epoch, self.trainer.state.iteration),
            "best": (self.evaluator.state.best_metric, self.evaluator.state.best_metric_epoch),
            "random": self.drawn,
        }


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(whole_folder):
    """A training that nothing interrupts."""
    return Training(whole_folder).run()


@pytest.fixture(scope="module")
def broken_folder(tmp_path_factory):
    """The folder of a training that broke off in its fourth epoch."""
    folder = tmp_path_factory.mktemp("broken")
    with pytest.raises(ConnectionError):
        Training(folder, break_in=4).run()
    return folder


@pytest.fixture
def broken(broken_folder, tmp_path):
    """A copy of that folder, and other random numbers."""
    set_determinism(seed=99)
    return Path(shutil.copytree(broken_folder, tmp_path / "broken"))


def test_the_end_says_how_good_the_best_model_is_and_where(tmp_path, caplog):
    caplog.set_level(logging.INFO, "monai_vlsm")
    training = Training(tmp_path, max_epochs=1).run()
    assert "Training ended after 1 of 1 epochs" in caplog.text
    assert (
        f"val_loss {training.evaluator.state.best_metric:.4f} in epoch 1, is '{tmp_path / 'model.pt'}'" in caplog.text
    )


def test_a_resumed_training_ends_like_one_without_interruption(whole, broken):
    expected = whole.everything()
    assert Training(broken, resume=True).run().everything() == expected


def test_a_resumed_training_does_only_the_epochs_that_are_missing(whole, broken):
    resumed = Training(broken, resume=True).run()
    assert len(whole.scores) == 5
    assert resumed.scores == whole.scores[3:]


def test_a_resumed_training_keeps_the_same_best_model(whole, whole_folder, broken):
    Training(broken, resume=True).run()
    expected, resumed = (torch.load(folder / "model.pt", weights_only=True) for folder in (whole_folder, broken))
    torch.testing.assert_close(resumed, expected, rtol=0, atol=0)


def test_the_toy_training_is_best_before_its_interruption(whole):
    """Otherwise the tests above would pass without the best score."""
    assert whole.evaluator.state.best_metric_epoch <= 3


@pytest.mark.parametrize("generators", ["manual_seed", "SeededCacheDataset.seed_items"])
def test_the_toy_training_depends_on_all_its_random_numbers(tmp_path, whole, monkeypatch, generators):
    """Otherwise the tests above would pass without the seeds of an epoch."""
    monkeypatch.setattr(f"monai_vlsm.handlers.training_state.{generators}", lambda *seeds: None)
    (tmp_path / "other").mkdir()
    assert Training(tmp_path / "other").run().scores != whole.scores


@pytest.mark.parametrize("num_workers", [1, 2])
def test_processes_that_load_data_change_nothing(tmp_path, whole, num_workers):
    (tmp_path / "other").mkdir()
    other = Training(tmp_path / "other", num_workers=num_workers).run()
    assert other.everything() == whole.everything()


def test_a_training_is_resumed_exactly_with_other_processes_that_load_data(whole, broken):
    assert Training(broken, resume=True, num_workers=2).run().everything() == whole.everything()


def test_a_finished_training_is_resumed_without_another_epoch(tmp_path, whole, whole_folder):
    again = Training(shutil.copytree(whole_folder, tmp_path / "again"), resume=True).run()
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


class Large:
    """Ten bytes of a file, which PyTorch alone would turn into any number of bytes in memory."""

    def __reduce__(self):
        return bytearray, (10**6,)


def test_a_state_of_a_stranger_takes_no_more_memory_than_its_file(broken):
    torch.save({"format": 2, "settings": Large()}, broken / "training_state.pt")
    with pytest.raises(DataError, match=r"it asks for '.*bytearray'"):
        Training(broken, resume=True).run()


def test_the_state_of_another_network_is_refused_and_named(broken):
    with pytest.raises(DataError, match=r"(?s)training_state\.pt.*0\.weight"):
        Training(broken, resume=True, width=9).run()


def test_a_write_that_fails_half_way_leaves_the_older_state_whole(broken, monkeypatch):
    def fail(state, file, **options):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    training = Training(broken, resume=True)
    before, names = (broken / "training_state.pt").read_bytes(), sorted(path.name for path in broken.iterdir())
    monkeypatch.setattr("monai_vlsm.networks.saving.torch.save", fail)
    with pytest.raises(DataError, match=r"cannot write .*training_state\.pt.*the disk is full"):
        training.run()
    assert (broken / "training_state.pt").read_bytes() == before
    assert sorted(path.name for path in broken.iterdir()) == names


@SMALL_DISK
def test_training_on_a_disk_that_is_really_full_can_be_resumed_when_there_is_room(small_disk, tmp_path):
    (tmp_path / "whole").mkdir()
    whole = Training(tmp_path / "whole", max_epochs=2).run()
    Training(small_disk, max_epochs=1).run()
    filling = small_disk / "filling"
    with pytest.raises(OSError, match="No space left"):
        filling.write_bytes(bytes(FULL))
    with pytest.raises(DataError, match="the disk is full"):
        Training(small_disk, resume=True, max_epochs=2).run()
    filling.unlink()
    assert Training(small_disk, resume=True, max_epochs=2).run().everything() == whole.everything()


@pytest.mark.parametrize("resume", [False, True])
def test_what_a_killed_training_left_is_removed_by_the_next_one(broken, resume):
    (broken / ".0123456789abcdef.part.training_state.pt").write_bytes(b"half of it")
    Training(broken, resume=resume).run()
    assert not list(broken.glob(".*.part.*"))


def test_the_state_of_an_earlier_training_is_kept_and_named(broken, caplog):
    before = (broken / "training_state.pt").read_bytes()
    with caplog.at_level(logging.WARNING, logger="monai_vlsm"):
        Training(broken).run()
    assert (broken / "training_state.older.pt").read_bytes() == before
    assert str(broken / "training_state.older.pt") in caplog.text


def test_a_resumed_training_keeps_no_states_of_its_own(broken):
    Training(broken, resume=True).run()
    assert not (broken / "training_state.older.pt").exists()


# Other settings


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"batch_size": 3}, "batch_size was 2 and is 3"),
        ({"batch_size": 1}, "steps per epoch was 3 and is 6"),
        ({"images": 8}, "number of training images was 6 and is 8"),
        ({"images": 5}, "number of training images was 6 and is 5"),
        ({"seed": 10}, "seed was 9 and is 10"),
        ({"augment": "all"}, "augment was 'none' and is 'all'"),
        ({"negative_fraction": 0.2}, "negative_fraction was 0 and is 0.2"),
        ({"lora_rank": 8}, "lora_rank was None and is 8"),
        ({"method": "dense"}, "method was None and is 'dense'"),
        ({"prompt_level": ["p1", "p2"], "lambda_dice": 1.5}, "lambda_dice was None and is 1.5"),
    ],
)
def test_other_settings_are_refused_by_name_with_what_was_and_is(broken, settings, named):
    with pytest.raises(DataError, match=r"cannot go on from .*training_state\.pt.*without --resume True") as failure:
        Training(broken, resume=True, **settings).run()
    assert named in str(failure.value)


def test_a_setting_that_is_not_there_any_more_is_refused_by_name(tmp_path):
    Training(tmp_path, max_epochs=1, method="dense").run()
    with pytest.raises(DataError, match="method was 'dense' and is None"):
        Training(tmp_path, max_epochs=2, resume=True).run()


def test_a_state_of_an_earlier_version_names_the_batch_size_otherwise_and_is_taken(broken, whole):
    state = torch.load(broken / "training_state.pt", weights_only=True)
    state["settings"]["batch_size times number of processes"] = state["settings"].pop("batch_size")
    torch.save(state, broken / "training_state.pt")
    assert Training(broken, resume=True).run().everything() == whole.everything()


def test_a_state_from_before_there_was_a_setting_is_taken_where_nothing_else_is_asked_for_now(broken, whole):
    later = {"augment": "none", "negative_fraction": 0, "lora_rank": None, "contexts": None}
    assert Training(broken, resume=True, **later).run().everything() == whole.everything()


def test_processes_of_which_some_do_not_see_the_state_do_not_go_on(broken, monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("ignite.distributed.all_reduce", lambda own: own + 0)
    with pytest.raises(DataError, match=r"1 of 2 processes find .*training_state\.pt"):
        Training(broken, resume=True).run()


def test_a_refused_training_leaves_all_files_as_they_were(broken):
    before = {path.name: path.read_bytes() for path in broken.iterdir()}
    with pytest.raises(DataError):
        Training(broken, resume=True, batch_size=3).run()
    assert {path.name: path.read_bytes() for path in broken.iterdir()} == before


def test_settings_that_were_kept_through_an_interruption_are_taken(tmp_path, whole):
    with pytest.raises(ConnectionError):
        Training(tmp_path, break_in=4, method="dense", prompt_level=["p1", "p2"]).run()
    resumed = Training(tmp_path, resume=True, method="dense", prompt_level=["p1", "p2"]).run()
    assert resumed.scores == whole.scores[3:]


@pytest.mark.parametrize(("name", "value"), [("lr", 0.7), ("weight_decay", 0.3)])
def test_another_learning_rate_and_weight_decay_are_applied(broken, name, value):
    resumed = Training(broken, resume=True, max_epochs=3, **{{"lr": "learning_rate"}.get(name, name): value}).run()
    assert [group[name] for group in resumed.optimizer.param_groups] == [value]


def test_the_learning_rate_that_the_schedule_has_reached_is_kept_where_nobody_gives_another(broken):
    reached = torch.load(broken / "training_state.pt", weights_only=True)["objects"]["optimizer"]["param_groups"][0]
    assert reached["lr"] < 0.1, "the test shows nothing"
    resumed = Training(broken, resume=True, max_epochs=3).run()
    assert resumed.optimizer.param_groups[0]["lr"] == reached["lr"]


@pytest.mark.parametrize(("name", "value"), [("factor", 0.9), ("patience", 7)])
def test_another_factor_and_patience_of_the_schedule_are_applied(broken, name, value):
    resumed = Training(broken, resume=True, **{f"lr_{name}": value}).run()
    assert getattr(resumed.schedule, name) == value


def test_an_applied_setting_is_the_one_of_the_next_resumption(broken):
    Training(broken, resume=True, max_epochs=4, learning_rate=0.7).run()
    saved = torch.load(broken / "training_state.pt", weights_only=True)
    assert saved["settings"]["learning_rate"] == 0.7


def test_more_epochs_are_trained_and_fewer_are_none(broken, whole):
    assert Training(broken, resume=True, max_epochs=2).run().scores == []
    assert len(Training(broken, resume=True, max_epochs=7).run().scores) == 4


@pytest.mark.parametrize(("stop_after", "epochs"), [(2, 0), (3, 0), (5, 2)])
def test_another_patience_decides_whether_a_stopped_training_goes_on(tmp_path, stop_after, epochs):
    Training(tmp_path, stop_after=3, max_epochs=9).run()
    assert len(Training(tmp_path, resume=True, stop_after=stop_after, max_epochs=9).run().scores) == epochs


def test_mixed_precision_may_begin_when_training_goes_on(broken):
    resumed = Training(broken, resume=True)
    resumed.state.objects["scaler"] = torch.amp.GradScaler("cpu", init_scale=256)
    resumed.run()
    saved = torch.load(broken / "training_state.pt", weights_only=True)
    assert saved["objects"]["scaler"]["scale"] == 256


def test_the_state_of_version_0_1_0_is_refused_with_the_reason(broken):
    state = torch.load(broken / "training_state.pt", weights_only=True)
    old = {"objects": state["objects"], "engines": {"trainer": {"epoch": 3}}, "random": {}, "stopped": False}
    torch.save(old, broken / "training_state.pt")
    with pytest.raises(DataError, match=r"0\.1\.0, which did not save the settings"):
        Training(broken, resume=True).run()


@pytest.mark.parametrize("key", ["format", "settings", "seed", "epoch", "best_metric", "objects"])
@pytest.mark.parametrize("value", [None, "text", [1]])
def test_a_state_with_odd_content_is_refused_and_named(broken, key, value):
    state = torch.load(broken / "training_state.pt", weights_only=True)
    torch.save({**state, key: value}, broken / "training_state.pt")
    with pytest.raises(DataError, match=r"training cannot go on from .*training_state\.pt"):
        Training(broken, resume=True).run()


def test_only_the_first_process_saves(tmp_path, monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    Training(tmp_path).run()
    assert not (tmp_path / "training_state.pt").exists()


def test_a_network_in_a_wrapper_is_saved_and_resumed_without_it(tmp_path):
    """So that a run on one GPU can go on on two; DataParallel stands for DistributedDataParallel."""
    plain = Training(tmp_path, max_epochs=2).run()
    wrapped = Training(tmp_path, max_epochs=2, resume=True)
    wrapped.state.objects["network"] = nn.DataParallel(wrapped.network)
    wrapped.run()
    assert torch.equal(wrapped.network[0].weight, plain.network[0].weight)


def test_the_scaler_of_mixed_precision_is_part_of_the_state(tmp_path):
    training = Training(tmp_path, max_epochs=1)
    training.state.objects["scaler"] = torch.amp.GradScaler("cpu", init_scale=256)
    training.run()
    saved = torch.load(tmp_path / "training_state.pt", weights_only=True)
    assert saved["objects"]["scaler"]["scale"] == 256
