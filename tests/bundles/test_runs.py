"""Bundles train, evaluate and infer, as their JSON says."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from bundles.quick import QUICK, ROOT
from monai.bundle import run
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_vlsm.reports.runs import read_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory, phantom):
    """A copy of the phantom bundle, trained for two epochs."""

    root = tmp_path_factory.mktemp("bundles") / "phantom"
    shutil.copytree(ROOT / "bundles" / "phantom", root, ignore=shutil.ignore_patterns("eval", "models"))
    run(
        run_id="training",
        config_file=str(root / "configs" / "train.json"),
        bundle_root=str(root),
        dataset_dir=phantom,
        **{**QUICK, "max_epochs": 2},
    )
    return root


@pytest.fixture(scope="module")
def evaluated(trained, phantom):
    """The summary and the rows of an evaluation at p6."""
    run(
        run_id="evaluating",
        config_file=[str(trained / "configs" / f"{name}.json") for name in ("train", "evaluate")],
        bundle_root=str(trained),
        dataset_dir=phantom,
        prompt_level="p6",
        **QUICK,
    )
    folder = trained / "eval" / "test_p6"
    with (folder / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return json.loads((folder / "summary.json").read_text()), rows, folder


def test_the_best_model_holds_trained_tensors_and_buffers_only(trained):
    saved = torch.load(trained / "models" / "model.pt", weights_only=True)
    assert set(saved) == {"model"}
    assert any(name.startswith("vision_attention_adapters.") for name in saved["model"])
    assert not [name for name in saved["model"] if name.startswith("backbone.")]


def test_training_writes_below_its_bundle_only(trained):
    assert {path.name for path in trained.iterdir()} == {"LICENSE", "configs", "docs", "eval", "models"}


def test_tensorboard_has_losses_dice_learning_rate_and_overlays(trained):
    events = EventAccumulator(str(trained / "eval")).Reload().Tags()
    assert {"train_loss", "val_loss", "val_dice", "learning_rate"} <= set(events["scalars"])
    assert "validation/case 0" in events["images"]


def test_an_evaluation_names_prompt_level_model_and_rules(evaluated):
    summary, _, _ = evaluated
    assert summary["prompt_level"] == "p6"
    assert summary["backbone"] == "tiny"
    assert summary["model"].endswith("model.pt")
    assert set(summary["metrics"]) == {"dice", "iou", "hd95", "surface_dice"}
    assert "empty masks" in summary["rules"]


def test_an_evaluation_has_a_row_per_entry_with_its_prompt(evaluated):
    summary, rows, _ = evaluated
    assert len(rows) == summary["images"] > 0
    assert all(row["prompt"] for row in rows)


def test_the_mean_in_the_summary_is_the_mean_of_the_rows(evaluated):
    summary, rows, _ = evaluated
    assert summary["metrics"]["dice"]["mean"] == pytest.approx(np.mean([float(row["dice"]) for row in rows]))


def test_an_evaluation_can_be_read_again_for_a_comparison(evaluated):
    summary, rows, folder = evaluated
    run = read_run(folder)
    assert set(run.metrics) == set(summary["metrics"])
    assert len(run.cases) == len(rows)


def test_metrics_are_computed_at_the_original_resolution(evaluated):
    _, rows, _ = evaluated
    row = rows[0]
    assert int(row["label_pixels"]) == np.count_nonzero(np.array(Image.open(row["label"])))


def test_an_evaluation_resamples_the_groups_of_the_datalist(phantom, tmp_path):
    """Of three images two are of one patient, and the third of nobody known."""
    data = Path(shutil.copytree(phantom, tmp_path / "phantom"))
    content = json.loads((data / "datalist.json").read_text())
    alone = content["test"][-1]["image"]
    for entry in content["test"]:
        entry |= {} if entry["image"] == alone else {"group": "patient 7"}
    (data / "datalist.json").write_text(json.dumps(content))
    run(
        run_id="evaluating",
        config_file=[str(ROOT / "bundles" / "phantom" / "configs" / f"{name}.json") for name in ("train", "evaluate")],
        dataset_dir=str(data),
        zero_shot=True,
        overlays=0,
        output_dir=str(tmp_path / "eval"),
        **QUICK,
    )
    with (tmp_path / "eval" / "per_image.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["group"] for row in rows] == [entry.get("group", "") for entry in content["test"]]
    assert json.loads((tmp_path / "eval" / "summary.json").read_text())["groups"] == 2


def test_an_evaluation_draws_overlays(evaluated):
    _, rows, folder = evaluated
    assert len(list((folder / "overlays").iterdir())) == min(16, len(rows))


def test_zero_shot_needs_no_checkpoint(trained, phantom, tmp_path):
    run(
        run_id="evaluating",
        config_file=[str(trained / "configs" / f"{name}.json") for name in ("train", "evaluate")],
        bundle_root=str(trained),
        dataset_dir=phantom,
        zero_shot=True,
        checkpoint=str(tmp_path / "none.pt"),
        output_dir=str(tmp_path),
        **QUICK,
    )
    assert json.loads((tmp_path / "summary.json").read_text())["model"] == "zero-shot CLIPSeg"


@pytest.fixture(scope="module")
def inferred(trained, tmp_path_factory):
    """Masks of a gray PNG, an RGBA PNG and two NIfTI files."""
    images, masks = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("masks")
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (40, 60), dtype=np.uint8)
    Image.fromarray(picture).save(images / "gray.png")
    Image.fromarray(np.dstack([picture] * 4)).save(images / "color.png")
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, -3], [0, 0, 4, 1], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(rng.normal(size=(20, 30, 5)), affine), images / "volume.nii.gz")
    nibabel.save(nibabel.Nifti1Image(rng.normal(size=(20, 30, 1)), affine), images / "slice.nii.gz")
    run(
        config_file=str(trained / "configs" / "inference.json"),
        bundle_root=str(trained),
        images=str(images),
        prompt="mass",
        output_dir=str(masks),
        device="cpu",
    )
    return images, masks


@pytest.mark.parametrize("name", ["gray", "color"])
def test_the_mask_of_a_raster_image_is_a_png_of_its_size(inferred, name):
    images, masks = inferred
    with Image.open(images / f"{name}.png") as image, Image.open(masks / f"{name}_mask.png") as mask:
        assert (mask.size, mask.mode) == (image.size, "L")


@pytest.mark.parametrize("name", ["volume", "slice"])
def test_the_mask_of_a_nifti_file_has_its_shape_and_affine(inferred, name):
    images, masks = inferred
    image, mask = nibabel.load(images / f"{name}.nii.gz"), nibabel.load(masks / f"{name}_mask.nii.gz")
    assert mask.shape == image.shape
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_allclose(mask.affine, image.affine)


def test_inference_shows_its_overlays(inferred):
    _, masks = inferred
    assert (masks / "overlays.png").stat().st_size > 0
