"""Tests of the progress bar."""

import io

import pytest
import torch
from ignite.engine import Engine

from monai_vlsm.handlers import Progress


def run_with(progress, output=None):
    engine = Engine(lambda engine, batch: output)
    progress.attach(engine)
    engine.run([0, 1, 2, 3, 4], max_epochs=2)


@pytest.fixture
def screen():
    return io.StringIO()


def test_the_bar_says_what_runs_and_how_far(screen):
    run_with(Progress(desc="training phantom", file=screen, mininterval=0))
    assert "training phantom" in screen.getvalue()
    assert "5/5" in screen.getvalue()


def test_the_loss_stands_behind_the_bar(screen):
    run_with(Progress(show_loss=True, file=screen, mininterval=0), {"loss": torch.tensor(0.4321)})
    assert "loss=0.432" in screen.getvalue()


def test_no_loss_is_needed(screen):
    run_with(Progress(file=screen, mininterval=0), {"pred": 1})
    assert "loss" not in screen.getvalue()


@pytest.mark.parametrize("persist", [True, False])
def test_a_finished_bar_stays_if_wanted(screen, persist):
    run_with(Progress(persist=persist, file=screen, mininterval=0))
    last = screen.getvalue().replace("\n", "\r").rstrip("\r").rpartition("\r")[2]
    assert bool(last.strip()) is persist


@pytest.mark.parametrize(("rank", "shown"), [(0, True), (1, False)])
def test_only_the_first_process_shows_a_bar(screen, monkeypatch, rank, shown):
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: rank)
    run_with(Progress(file=screen, mininterval=0))
    assert bool(screen.getvalue()) is shown
