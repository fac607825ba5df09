"""Two processes train, validate and report as one does."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from bundles.quick import QUICK, ROOT
from monai.bundle import run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_vlsm.data.phantom import write_phantom

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
EPOCHS = 2
MOST_SECONDS = 300
# Their eleven training entries are steps of 4, 4 and 3; seven validation entries are steps of 4 and 3.
IMAGES = {"training": 7, "validation": 5, "test": 1}
# AdamW divides gradients by their size: where that is nothing but rounding, so is the direction of its step.
LINEAR = {"learning_rate": 0.001, "optimizer#eps": 1.0}


def settings(root: Path, data: Path, epochs: int = EPOCHS) -> dict:
    return {**QUICK, **LINEAR, "max_epochs": epochs, "bundle_root": str(root), "dataset_dir": str(data)}


def free_port() -> int:
    """Return a port that is free, and below those that the system deals out to whoever asks for any."""
    while True:
        port = random.randrange(20000, 32000)
        with suppress(OSError), socket.socket() as free:
            free.bind(("127.0.0.1", port))
            return port


def launch(root: Path, data: Path, **options) -> str:
    """Train in two processes of this machine, which torchrun would tell the same, and return what they print."""
    configs = [str(root / "configs" / f"{name}.json") for name in ("train", "multi_gpu_train")]
    given = {name: value for name, value in {**settings(root, data), **options}.items() if name != "device"}
    code = "import json, sys; from monai.bundle import run; run(run_id='training', **json.loads(sys.argv[1]))"
    command = [sys.executable, "-c", code, json.dumps({"config_file": configs, **given})]
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": 2}
    told |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": 1}
    outputs = [root.parent / f"{rank}.txt" for rank in range(2)]
    processes = []
    for rank, output in enumerate(outputs):
        own = {name: str(value) for name, value in {**told, "RANK": rank, "LOCAL_RANK": rank}.items()}
        with output.open("wb") as file:
            processes.append(subprocess.Popen(command, env=os.environ | own, stdout=file, stderr=file))
    end = time.monotonic() + MOST_SECONDS
    # If one fails, the other would wait for it half an hour.
    while any(process.poll() is None for process in processes) and not any(process.returncode for process in processes):
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    for process in processes:
        process.kill()
        process.wait()
    printed = "".join(output.read_text(encoding="utf-8") for output in outputs)
    assert [process.returncode for process in processes] == [0, 0], printed[-3000:]
    return printed


def state_of(root: Path) -> dict:
    return torch.load(root / "eval" / "training_state.pt", weights_only=True)


def scalars(root: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(root / "eval")).Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uneven") / "phantom"
    write_phantom(folder, IMAGES, progress=False)
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory, data) -> Path:
    """A bundle that one process trained, on whole batches."""
    root = copy_to(tmp_path_factory.mktemp("alone"))
    run(run_id="training", config_file=str(root / "configs" / "train.json"), **settings(root, data))
    return root


@pytest.fixture(scope="module")
def printed_and_together(tmp_path_factory, data) -> tuple[str, Path]:
    """A bundle that two processes trained, each on its share of a batch in two pieces, and what they printed."""
    root = copy_to(tmp_path_factory.mktemp("together"))
    return launch(root, data, accumulate=2), root


def copy_to(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("eval", "models")
    return Path(shutil.copytree(ROOT / "bundles" / "phantom", folder / "phantom", ignore=ignored))


@pytest.fixture
def together(printed_and_together) -> Path:
    return printed_and_together[1]


def test_losses_metrics_and_learning_rates_are_those_of_one_process(alone, together):
    one, two = scalars(alone), scalars(together)
    assert {"train_loss", "train_dice", "val_loss", "val_dice", "learning_rate"} <= set(one)
    assert len(one["train_loss"]) == EPOCHS * 3
    assert abs(one["val_loss"][1] - one["val_loss"][0]) > 1e-4, "what does not change cannot differ"
    assert two == {tag: pytest.approx(values, abs=1e-6) for tag, values in one.items()}


def test_the_best_dice_and_the_schedule_are_those_of_one_process(alone, together):
    one, two = state_of(alone), state_of(together)
    assert two["best_metric"] == pytest.approx(one["best_metric"], abs=1e-6)
    assert two["best_metric_epoch"] == one["best_metric_epoch"]
    best = [state["objects"]["lr_scheduler"]["best"] for state in (one, two)]
    assert best[1] == pytest.approx(best[0], abs=1e-6)


def test_the_weights_are_those_of_one_process(alone, together):
    one, two = (state_of(root)["objects"]["network"] for root in (alone, together))
    trained = [name for name in one if "adapter" in name]
    assert len(trained) > 50
    farthest = max((one[name] - two[name]).abs().max().item() for name in trained)
    assert farthest < 1e-6


def test_one_process_reports_and_writes(printed_and_together):
    printed, root = printed_and_together
    assert printed.count("val_dice best value") == EPOCHS
    assert len(list((root / "eval").glob("events.out.tfevents.*"))) == 1
    assert not (root / "models" / ".training.json").exists()
    saved = torch.load(root / "models" / "model.pt", weights_only=True)["model"]
    assert saved
    assert not [name for name in saved if name.startswith("module.")]


def test_one_process_goes_on_where_two_stopped(together, data, tmp_path):
    root = Path(shutil.copytree(together, tmp_path / "phantom"))
    config = str(root / "configs" / "train.json")
    run(run_id="training", config_file=config, resume=True, **settings(root, data, EPOCHS + 1))
    assert state_of(root)["epoch"] == EPOCHS + 1
