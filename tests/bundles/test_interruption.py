"""A run that is killed goes on as if nothing had happened, and two processes train together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from bundles.quick import QUICK

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
    return ["-m", "monai.bundle", "run", "training", "--config_file", json.dumps(configs), *given]


def finished_state(root) -> dict:
    state = torch.load(root / "eval" / "training_state.pt", weights_only=True)
    assert state["engines"]["trainer"]["epoch"] == EPOCHS
    return state


def kill_in_the_second_epoch(arguments: list[str], state_file) -> None:
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not state_file.exists():
        assert process.poll() is None, "training ended before its first epoch was saved"
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "training ended before it could be killed"
    saved = torch.load(state_file, weights_only=True)["engines"]["trainer"]["epoch"]
    assert saved < EPOCHS, "nothing was left to resume"


def test_a_killed_run_resumes_to_the_same_weights(bundle, phantom, tmp_path):
    whole = bundle("phantom")
    subprocess.run([sys.executable, *command(whole, phantom)], check=True, capture_output=True)
    broken = whole.rename(tmp_path / "whole").parent / "phantom"
    bundle("phantom")
    kill_in_the_second_epoch([sys.executable, *command(broken, phantom)], broken / "eval" / "training_state.pt")
    subprocess.run([sys.executable, *command(broken, phantom, resume=True)], check=True, capture_output=True)
    expected, resumed = (finished_state(root) for root in (tmp_path / "whole", broken))
    weights, other = (state["objects"]["network"] for state in (expected, resumed))
    assert weights
    assert all(torch.equal(weights[name], other[name]) for name in weights)
    assert expected["objects"]["best_model"] == resumed["objects"]["best_model"]
    assert expected["engines"] == resumed["engines"]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
def test_two_processes_train_one_model(bundle, phantom):
    root = bundle("phantom")
    arguments = command(root, phantom, "multi_gpu_train", max_epochs=1)
    arguments = [argument for argument in arguments if argument not in ("--device", "cpu")]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    saved = torch.load(root / "models" / "model.pt", weights_only=True)["model"]
    assert not [name for name in saved if name.startswith("module.")]
    assert done.stdout.count("val_dice best value") == 1, "one rank reports, not two"
