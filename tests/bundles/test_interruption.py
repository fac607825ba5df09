"""A run that is killed goes on as if nothing had happened."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from bundles.quick import QUICK, ROOT
from monai.bundle import run

EPOCHS = 3


def settings(root, phantom) -> dict:
    folders = {"bundle_root": str(root), "dataset_dir": phantom}
    return {**QUICK, "batch_size": 1, "max_epochs": EPOCHS, **folders}


def command(root, phantom) -> list[str]:
    options = [text for key, value in settings(root, phantom).items() for text in (f"--{key}", str(value))]
    return ["run", "training", "--config_file", str(root / "configs" / "train.json"), *options]


IN_AN_EPOCH = """
from monai_vlsm.handlers import GradientClipper
clip = GradientClipper.__call__
def clip_and_die(self, engine):
    clip(self, engine)
    if engine.state.iteration == engine.state.epoch_length + 2:
        os.kill(os.getpid(), signal.SIGKILL)
GradientClipper.__call__ = clip_and_die
"""
"""Dies in the second step of the second epoch."""

WHILE_WRITING = """
import torch
from monai_vlsm.handlers import MODULE
from monai_vlsm.networks.saving import save_whole
def write_half(content, file):
    file.write(b"half of it")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
def save_and_die(content, path):
    if os.path.exists(path) or EARLY:
        torch.save = write_half
    save_whole(content, path)
MODULE.save_whole = save_and_die
"""

DEATHS = {
    "in an epoch": IN_AN_EPOCH,
    "while the first model is written": WHILE_WRITING.replace("MODULE", "checkpoint_saver").replace("EARLY", "True"),
    "while the second state is written": WHILE_WRITING.replace("MODULE", "training_state").replace("EARLY", "False"),
}


def run_and_die(death: str, arguments: list[str]) -> None:
    script = f"import os, runpy, signal\n{death}\nrunpy.run_module('monai.bundle', run_name='__main__')"
    # One thread, as the tests have: the order of sums is part of the weights.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, *arguments]
    killed = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]


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
def test_a_killed_run_resumes_to_the_same_weights_and_leaves_nothing_unfinished(death, bundle, phantom, whole):
    root = bundle("phantom")
    run_and_die(death, command(root, phantom))
    resumed = train(root, phantom, resume=True)
    weights, other = (state["objects"]["network"] for state in (whole, resumed))
    assert weights
    assert all(torch.equal(weights[name], other[name]) for name in weights)
    assert (resumed["best_metric"], resumed["best_metric_epoch"]) == (whole["best_metric"], whole["best_metric_epoch"])
    assert not [path for path in root.rglob(".*") if ".part." in path.name or path.name == ".training.json"]
