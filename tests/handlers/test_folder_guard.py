"""Tests of keeping what a training writes safe from a second training and from a full disk."""

import pytest
import torch
from ignite.engine import Engine, Events
from monai.handlers import StatsHandler
from small_disk import SMALL_DISK
from torch.utils.tensorboard import SummaryWriter

from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.errors import DataError
from monai_vlsm.handlers import FolderGuard


def trainer(folder, step=lambda engine, batch: None):
    engine = Engine(step)
    FolderGuard(folder).attach(engine)
    return engine


def is_free(folder):
    lock = FolderLock(folder)
    try:
        lock.acquire()
    except DataError:
        return False
    lock.release()
    return True


def test_the_folder_is_locked_while_the_trainer_runs(tmp_path):
    seen = []
    trainer(tmp_path, lambda engine, batch: seen.append(is_free(tmp_path))).run([0])
    assert seen == [False]
    assert is_free(tmp_path)


def test_a_second_training_in_the_folder_is_refused_before_it_trains(tmp_path):
    trained = []
    second = trainer(tmp_path, lambda engine, batch: trained.append(batch))

    def step(engine, batch):
        with pytest.raises(DataError, match="writes into"):
            second.run([0])

    trainer(tmp_path, step).run([0])
    assert trained == []


def test_one_trainer_can_run_again_in_the_same_process(tmp_path):
    engine = trainer(tmp_path)
    for _ in range(2):
        engine.run([0])


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), DataError("told already")])
def test_an_exception_unlocks_the_folder_and_stays_what_it_is(tmp_path, error):
    def fail(engine, batch):
        raise error

    with pytest.raises(type(error)) as failure:
        trainer(tmp_path, fail).run([0])
    assert failure.value is error
    assert is_free(tmp_path)


@pytest.mark.parametrize(("epoch", "notes"), [(1, []), (3, ["all is saved up to epoch 2: go on with --resume True"])])
def test_ctrl_c_says_what_is_saved(tmp_path, epoch, notes):
    def stop(engine, batch):
        if engine.state.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        trainer(tmp_path, stop).run([0], max_epochs=3)
    assert getattr(stopped.value, "__notes__", []) == notes


def test_a_terminated_trainer_unlocks_the_folder(tmp_path):
    trainer(tmp_path, lambda engine, batch: engine.terminate()).run([0], max_epochs=3)
    assert is_free(tmp_path)


@pytest.mark.parametrize("number", [28, 122])
def test_a_full_disk_is_named_wherever_it_shows(tmp_path, number):
    def fail(engine, batch):
        try:
            raise OSError(number, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos") from None

    with pytest.raises(DataError, match=r"the disk is full: training broke off in epoch 1.*--resume True"):
        trainer(tmp_path, fail).run([0])


def test_a_full_disk_is_named_though_other_handlers_look_at_exceptions(tmp_path):
    def fail(engine, batch):
        raise OSError(28, "No space left on device")

    engine = trainer(tmp_path, fail)
    StatsHandler(name="trainer").attach(engine)
    with pytest.raises(DataError, match="the disk is full"):
        engine.run([0])


@SMALL_DISK
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_tensorboard_on_a_disk_that_is_really_full_is_named(small_disk, tmp_path):
    writer = SummaryWriter(str(small_disk))

    def draw(engine, batch):
        writer.add_image("noise", torch.rand(3, 500, 500), engine.state.iteration)
        writer.flush()

    with pytest.raises(DataError, match="the disk is full"):
        trainer(tmp_path, draw).run(range(9))


def test_only_the_first_process_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    engine = trainer(tmp_path)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda: pytest.fail("locked") if not is_free(tmp_path) else 0)
    engine.run([0])
