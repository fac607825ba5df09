"""A run that is killed goes on as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from types import ModuleType

import pytest
import torch
from bundles.quick import QUICK, ROOT
from forked import die, end_of_fork
from monai.bundle import run

from monai_vlsm.handlers import GradientClipper, checkpoint_saver, training_state
from monai_vlsm.networks.saving import save_whole

EPOCHS = 3


def settings(root, phantom) -> dict:
    folders = {"bundle_root": str(root), "dataset_dir": phantom}
    return {**QUICK, "batch_size": 1, "max_epochs": EPOCHS, **folders}


def die_in_an_epoch(patch: pytest.MonkeyPatch) -> None:
    """Die in the second step of the second epoch."""
    clip = GradientClipper.__call__

    def clip_and_die(self, engine):
        clip(self, engine)
        if engine.state.iteration == engine.state.epoch_length + 2:
            die()

    patch.setattr(GradientClipper, "__call__", clip_and_die)


def die_while_writing(patch: pytest.MonkeyPatch, module: ModuleType, first: bool) -> None:
    """Die when half of a file is written: the first one, or the first one that replaces another."""

    def write_half(content, file):
        file.write(b"half of it")
        file.flush()
        die()

    def save_and_die(content, path):
        if first or os.path.exists(path):
            patch.setattr(torch, "save", write_half)
        save_whole(content, path)

    patch.setattr(module, "save_whole", save_and_die)


DEATHS = {
    "in an epoch": die_in_an_epoch,
    "while the first model is written": partial(die_while_writing, module=checkpoint_saver, first=True),
    "while the second state is written": partial(die_while_writing, module=training_state, first=False),
}


def train(root, phantom, **options) -> dict:
    """Train in this process, and return the state at the end."""
    config = str(root / "configs" / "train.json")
    run(run_id="training", config_file=config, **settings(root, phantom), **options)
    state = torch.load(root / "eval" / "training_state.pt", weights_only=True)
    assert state["epoch"] == EPOCHS
    return state


@pytest.fixture(scope="module")
def whole(tmp_path_factory, phantom):
    """The state of a run that nothing interrupted."""
    root = tmp_path_factory.mktemp("whole") / "phantom"
    shutil.copytree(ROOT / "bundles" / "phantom", root, ignore=shutil.ignore_patterns("eval", "models"))
    return train(root, phantom)


@pytest.mark.parametrize("death", DEATHS.values(), ids=list(DEATHS))
def test_a_killed_run_resumes_to_the_same_weights_and_leaves_nothing_unfinished(
    death, bundle, phantom, whole, monkeypatch
):
    root = bundle("phantom")
    with monkeypatch.context() as patch:
        death(patch)
        assert end_of_fork(lambda: train(root, phantom)) == -signal.SIGKILL
    resumed = train(root, phantom, resume=True)
    weights, other = (state["objects"]["network"] for state in (whole, resumed))
    assert weights
    assert all(torch.equal(weights[name], other[name]) for name in weights)
    assert (resumed["best_metric"], resumed["best_metric_epoch"]) == (whole["best_metric"], whole["best_metric_epoch"])
    assert not [path for path in root.rglob(".*") if ".part." in path.name or path.name == ".training.json"]
