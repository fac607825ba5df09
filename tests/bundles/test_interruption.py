"""A run that is killed goes on as if nothing had happened, and two processes train together."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from bundles.quick import QUICK, ROOT

EPOCHS = 3


def command(root, phantom, *names: str, **overrides) -> list[str]:
    configs = [str(root / "configs" / f"{name}.json") for name in ("train", *names)]
    settings = {
        **QUICK,
        "batch_size": 1,
        "max_epochs": EPOCHS,
        "bundle_root": root,
        "dataset_dir": phantom,
        **overrides,
    }
    given = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    return ["run", "training", "--config_file", json.dumps(configs), *given]


def finished_state(root) -> dict:
    state = torch.load(root / "eval" / "training_state.pt", weights_only=True)
    assert state["epoch"] == EPOCHS
    return state


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
    if os.path.exists(path):
        torch.save = write_half
    save_whole(content, path)
MODULE.save_whole = save_and_die
"""
"""Dies when a file is written for the second time."""

DEATHS = {
    "in an epoch": IN_AN_EPOCH,
    "while the model is written": WHILE_WRITING.replace("MODULE", "checkpoint_saver"),
    "while the state is written": WHILE_WRITING.replace("MODULE", "training_state"),
}


def run_and_die(death: str, arguments: list[str]) -> None:
    script = f"import os, runpy, signal\n{death}\nrunpy.run_module('monai.bundle', run_name='__main__')"
    killed = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, phantom):
    """The state of a run that nothing interrupted."""
    root = tmp_path_factory.mktemp("whole") / "phantom"
    shutil.copytree(ROOT / "bundles" / "phantom", root, ignore=shutil.ignore_patterns("eval", "models"))
    subprocess.run([sys.executable, "-m", "monai.bundle", *command(root, phantom)], check=True, capture_output=True)
    return finished_state(root)


@pytest.mark.parametrize("death", DEATHS.values(), ids=list(DEATHS))
def test_a_killed_run_resumes_to_the_same_weights_and_leaves_nothing_unfinished(death, bundle, phantom, whole):
    root = bundle("phantom")
    run_and_die(death, command(root, phantom))
    assert torch.load(root / "eval" / "training_state.pt", weights_only=True)["epoch"] < EPOCHS
    resuming = command(root, phantom, resume=True)
    subprocess.run([sys.executable, "-m", "monai.bundle", *resuming], check=True, capture_output=True)
    resumed = finished_state(root)
    weights, other = (state["objects"]["network"] for state in (whole, resumed))
    assert weights
    assert all(torch.equal(weights[name], other[name]) for name in weights)
    assert (resumed["best_metric"], resumed["best_metric_epoch"]) == (whole["best_metric"], whole["best_metric_epoch"])
    assert not [path for path in root.rglob(".*") if ".part." in path.name or path.name == ".training.json"]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_processes_train_one_model(bundle, phantom):
    root = bundle("phantom")
    arguments = command(root, phantom, "multi_gpu_train", max_epochs=1)
    arguments = [argument for argument in arguments if argument not in ("--device", "cpu")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    launcher += ["-m", "monai.bundle"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    saved = torch.load(root / "models" / "model.pt", weights_only=True)["model"]
    assert not [name for name in saved if name.startswith("module.")]
    assert done.stdout.count("val_dice best value") == 1, "one rank reports, not two"
