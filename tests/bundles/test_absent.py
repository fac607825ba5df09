"""Training and evaluation on prompts whose target an image does not show."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
from bundles.quick import QUICK, ROOT
from monai.bundle import run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

OPTIONS = {**QUICK, "method": "shallow", "max_epochs": 2, "prompt_level": "p1"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, phantom):
    """Train copies of the phantom bundle, and return their folders by what was asked for."""

    def train(**options):
        root = tmp_path_factory.mktemp("bundle") / "phantom"
        shutil.copytree(ROOT / "bundles" / "phantom", root, ignore=shutil.ignore_patterns("eval", "models", "cache"))
        config = str(root / "configs" / "train.json")
        run(run_id="training", config_file=config, bundle_root=str(root), dataset_dir=phantom, **(OPTIONS | options))
        return root

    return {
        "plain": train(),
        "negative": train(negative_fraction=0.5),
        "cached": train(negative_fraction=0.5, cache="disk", cache_features=True),
    }


def losses(root):
    events = EventAccumulator(str(root / "eval")).Reload()
    return [event.value for event in events.Scalars("train_loss")]


def test_the_training_is_another_one(trained):
    assert losses(trained["negative"]) != pytest.approx(losses(trained["plain"]), abs=1e-3)


def test_empty_masks_are_no_part_of_what_is_kept_of_an_image(trained):
    assert losses(trained["cached"]) == pytest.approx(losses(trained["negative"]), rel=0, abs=1e-6)


def test_what_is_asked_in_vain_has_a_row_and_no_share_in_the_metrics(trained, phantom):
    root = trained["negative"]
    configs = [str(root / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    given = {"bundle_root": str(root), "dataset_dir": phantom, "paraphrases": 0, **OPTIONS}
    for absent in (False, True):
        output = str(root / "eval" / str(absent))
        run(run_id="evaluating", config_file=configs, output_dir=output, absent=absent, **given)
    without, with_absent = (
        json.loads((root / "eval" / name / "summary.json").read_text(encoding="utf-8")) for name in ("False", "True")
    )
    assert with_absent["metrics"] == without["metrics"]
    assert with_absent["presence"]["absent"] > without["presence"]["absent"]
    with (root / "eval" / "True" / "per_image.csv").open(newline="", encoding="utf-8") as file:
        in_vain = [row for row in csv.DictReader(file) if not row["label"]]
    assert {row["label_pixels"] for row in in_vain} == {"0"}
    assert {"cyst", "kidney"} & {row["prompt"] for row in in_vain}
