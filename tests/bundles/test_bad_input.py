"""What goes wrong is said in one message that names file or key, and nothing is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles.quick import QUICK
from monai.bundle import run
from PIL import Image

from monai_vlsm.errors import UserError, find_message


def cause_of_failure(root: Path, dataset_dir: Path, **overrides) -> str:
    with pytest.raises((RuntimeError, UserError)) as failure:
        run(
            run_id="training",
            config_file=str(root / "configs" / "train.json"),
            bundle_root=str(root),
            dataset_dir=str(dataset_dir),
            **{**QUICK, **overrides},
        )
    cause: BaseException | None = failure.value
    while cause is not None and not isinstance(cause, UserError):
        cause = cause.__cause__
    assert cause is not None, f"not told as a UserError: {failure.value!r}"
    return str(cause)


@pytest.fixture
def spoiled(phantom, tmp_path) -> Path:
    return Path(shutil.copytree(phantom, tmp_path / "spoiled"))


def first_entry(folder: Path) -> dict:
    return json.loads((folder / "datalist.json").read_text())["training"][0]


def test_a_missing_data_folder_is_named_with_the_command_that_makes_it(bundle, tmp_path):
    message = cause_of_failure(bundle("busi"), tmp_path / "nowhere" / "busi")
    assert str(tmp_path / "nowhere" / "busi") in message
    assert "python -m monai_vlsm prepare busi" in message


def test_a_missing_mask_is_named(bundle, spoiled):
    label = spoiled / first_entry(spoiled)["label"]
    label.unlink()
    assert str(label) in cause_of_failure(bundle("phantom"), spoiled)


def test_a_mask_of_another_size_is_named_with_both_sizes(bundle, spoiled):
    label = spoiled / first_entry(spoiled)["label"]
    Image.fromarray(np.zeros((50, 70), np.uint8)).save(label)
    message = cause_of_failure(bundle("phantom"), spoiled)
    assert label.name in message
    assert "70, 50" in message


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\nnot a picture"], ids=["empty", "damaged"])
def test_an_unreadable_image_is_named(bundle, spoiled, content):
    image = spoiled / first_entry(spoiled)["image"]
    image.write_bytes(content)
    assert image.name in cause_of_failure(bundle("phantom"), spoiled)


def test_an_unreadable_datalist_is_named_with_its_line(bundle, spoiled):
    (spoiled / "datalist.json").write_text('{"training": [\n oops')
    message = cause_of_failure(bundle("phantom"), spoiled)
    assert "datalist.json" in message
    assert "line 2" in message


def test_a_prompt_level_that_is_not_there_is_named_with_those_that_are(bundle, phantom):
    message = cause_of_failure(bundle("phantom"), Path(phantom), prompt_level="p42")
    assert "'p42'" in message
    assert "p6" in message


def test_missing_weights_are_told_with_all_ways_out(bundle, phantom, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.delenv("MONAI_VLSM_BACKBONE", raising=False)
    message = cause_of_failure(bundle("busi"), Path(phantom), backbone="CIDAS/clipseg-rd64-refined")
    assert "hf download CIDAS/clipseg-rd64-refined" in message
    assert "--backbone tiny" in message


def test_a_failed_training_leaves_the_model_as_it_was(bundle, spoiled):
    root = bundle("phantom")
    (root / "models").mkdir()
    (root / "models" / "model.pt").write_bytes(b"precious")
    (spoiled / first_entry(spoiled)["label"]).unlink()
    cause_of_failure(root, spoiled)
    assert (root / "models" / "model.pt").read_bytes() == b"precious"


def test_a_checkpoint_of_something_else_is_refused_by_name(bundle, phantom):
    root = bundle("phantom")
    (root / "models").mkdir()
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, root / "models" / "model.pt")
    with pytest.raises(RuntimeError) as failure:
        run(
            run_id="evaluating",
            config_file=[str(root / "configs" / f"{name}.json") for name in ("train", "evaluate")],
            bundle_root=str(root),
            dataset_dir=phantom,
            **QUICK,
        )
    message = find_message(failure.value) or ""
    assert str(root / "models" / "model.pt") in message
    assert "no checkpoint of this package" in message


def test_the_command_line_ends_with_one_message(bundle, tmp_path):
    root = bundle("busi")
    command = [sys.executable, "-m", "monai.bundle", "run", "training"]
    command += ["--config_file", str(root / "configs" / "train.json"), "--bundle_root", str(root)]
    command += ["--dataset_dir", str(tmp_path / "nowhere"), "--backbone", "tiny"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    message = done.stderr[done.stderr.index("\nerror: ") :]
    assert str(tmp_path / "nowhere") in message
    assert message.count("\n") <= 4
