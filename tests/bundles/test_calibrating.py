"""Bundles are calibrated, as their JSON says, and use what was found."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles.quick import QUICK, ROOT
from calibration.documents import DOCUMENT
from monai.bundle import run
from PIL import Image

from monai_vlsm import Predictor
from monai_vlsm.calibration import read_document
from monai_vlsm.calibration.document import sha256_of, write_document
from monai_vlsm.errors import UserError, find_message
from monai_vlsm.networks import CLIPSegDenseAdapter

FILES = ("train", "evaluate", "calibrate")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A copy of the phantom bundle with a model, and beside it the calibration of another one."""
    root = tmp_path_factory.mktemp("calibrated") / "phantom"
    shutil.copytree(ROOT / "bundles" / "phantom", root, ignore=shutil.ignore_patterns("eval", "models"))
    torch.manual_seed(0)
    (root / "models").mkdir()
    torch.save({"model": CLIPSegDenseAdapter("tiny", bottleneck=4).state_dict()}, root / "models" / "model.pt")
    write_document(root / "models" / "calibration.json", DOCUMENT)
    inference = root / "configs" / "inference.json"
    inference.write_text(json.dumps({**json.loads(inference.read_text()), "image_size": QUICK["image_size"]}))
    return root


def calibrate(root: Path, phantom: str, **values) -> None:
    configs = [str(root / "configs" / f"{name}.json") for name in FILES]
    given = {"bundle_root": str(root), "dataset_dir": phantom, "split": "training", "alpha": 0.3, **QUICK, **values}
    run(run_id="calibrating", config_file=configs, **given)


@pytest.fixture(scope="module")
def calibrated(trained, phantom) -> Path:
    calibrate(trained, phantom)
    return trained


def test_the_calibration_is_of_the_model_and_the_data(calibrated, phantom):
    found = read_document(calibrated / "models" / "calibration.json")
    assert found["checkpoint_sha256"] == sha256_of(calibrated / "models" / "model.pt")
    assert found["image_size"] == QUICK["image_size"]
    assert (found["data"]["dataset"], found["data"]["split"], found["data"]["images"]) == ("phantom", "training", 6)


def test_prompts_without_a_target_are_asked_too(calibrated, phantom):
    found = read_document(calibrated / "models" / "calibration.json")["data"]
    entries = json.loads((Path(phantom) / "datalist.json").read_text())["training"]
    assert found["entries"] > len(entries)
    assert found["absent_entries"] >= found["entries"] - len(entries)


def test_nothing_but_the_calibration_is_written(calibrated):
    assert {path.name for path in (calibrated / "models").iterdir()} == {"calibration.json", "model.pt"}
    assert not (calibrated / "eval").exists()


@pytest.mark.parametrize("threshold", ["best_dice", "risk_control"])
def test_inference_takes_the_words_for_a_threshold(calibrated, phantom, tmp_path, threshold):
    """Masks are those of the Predictor, which compares probabilities where the bundle compares logits."""
    image = next(Path(phantom).glob("images/*.png"))
    values = {"images": str(image), "output_dir": str(tmp_path), "threshold": threshold, "min_presence": 0}
    config = str(calibrated / "configs" / "inference.json")
    run(config_file=config, bundle_root=str(calibrated), overlays=0, **values, **QUICK)
    found = np.asarray(Image.open(tmp_path / f"{image.stem}_mask.png")) > 0
    predictor = Predictor.from_bundle(calibrated, backbone="tiny", device="cpu")
    prompt = json.loads(Path(config).read_text())["prompt"]
    expected = predictor.set_image(image).predict(prompt, threshold, min_presence=0).mask
    assert expected.any()
    assert np.mean(found != expected) < 1e-3


def failure(root: Path, phantom: str, **values) -> str:
    with pytest.raises((RuntimeError, UserError)) as caught:
        calibrate(root, phantom, **values)
    message = find_message(caught.value)
    assert message is not None, f"not told as a UserError: {caught.value!r}"
    return message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "calibration"}, "'calibration', but it is empty"),
        ({"split": "validation"}, "takes 5 entries that show their target, the split has"),
        ({"zero_shot": True}, "belongs to a trained model, not to zero_shot"),
        ({"alpha": 0}, "'alpha' must be a number"),
        ({"sensitivity": 2}, "'sensitivity' must be a number"),
        ({"checkpoint": "nowhere.pt"}, "there is no checkpoint"),
    ],
)
def test_what_cannot_be_calibrated_says_why_and_leaves_the_calibration_that_was_there(
    calibrated, phantom, values, message
):
    before = (calibrated / "models" / "calibration.json").read_bytes()
    assert message in failure(calibrated, phantom, **values)
    assert (calibrated / "models" / "calibration.json").read_bytes() == before
    assert {path.name for path in (calibrated / "models").iterdir()} == {"calibration.json", "model.pt"}


def test_an_evaluation_says_how_likely_each_target_is_there(calibrated, phantom):
    configs = [str(calibrated / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    run(run_id="evaluating", config_file=configs, bundle_root=str(calibrated), dataset_dir=phantom, overlays=0, **QUICK)
    with (calibrated / "eval" / "test_p1" / "per_image.csv").open(newline="") as file:
        found = [float(row["presence"]) for row in csv.DictReader(file)]
    assert len(set(found)) > 1
    assert all(0 <= presence <= 1 for presence in found)
    shutil.rmtree(calibrated / "eval")


def test_a_training_takes_no_word_for_its_threshold(calibrated, phantom):
    with pytest.raises((RuntimeError, UserError)) as caught:
        run(
            run_id="training",
            config_file=str(calibrated / "configs" / "train.json"),
            bundle_root=str(calibrated),
            dataset_dir=phantom,
            threshold="best_dice",
            **QUICK,
        )
    assert "a training has no calibration yet" in str(find_message(caught.value))
