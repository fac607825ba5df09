"""Tests of the numbers that an evaluation leaves behind."""

import csv
import errno
import json
import logging
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.engines import SupervisedEvaluator
from monai.handlers import HausdorffDistance, IgniteMetricHandler, from_engine
from monai.inferers import SimpleInferer
from monai.metrics import DiceMetric, SurfaceDiceMetric
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.handlers import EvaluationReport
from monai_vlsm.handlers.evaluation_report import format_summary, summarize

SETTINGS = {"dataset": "data/busi", "prompt_level": "p1"}


def mask(filled):
    """A mask (1, 6, 6) whose first columns are filled."""
    array = torch.zeros(1, 6, 6)
    array[:, :filled] = 1
    return array


def case(name, pred, label, prompt="polyp"):
    """One image of a decollated batch, and what the evaluator made of it."""
    image, truth = (
        MetaTensor(label, meta={"filename_or_obj": f"{folder}/{name}.png"}) for folder in ("images", "masks")
    )
    return {"image": image, "label": truth, "prompt": prompt}, {"pred": pred, "label": truth}


def evaluate(folder, cases, details, epochs=1, **options):
    """Run the report in an engine whose state is that of an evaluator with metrics, two images per batch."""

    def process(engine, batch):
        engine.state.batch = [item for item, _ in batch]
        return [output for _, output in batch]

    engine = Engine(process)
    engine.state.metric_details = {name: torch.tensor(values)[:, None] for name, values in details.items()}
    EvaluationReport(folder, SETTINGS, **options).attach(engine)
    engine.run([cases[start : start + 2] for start in range(0, len(cases), 2)], max_epochs=epochs)


def rows_of(folder):
    with (folder / "per_image.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def summary_of(folder):
    """Read the summary as strict JSON, which knows neither NaN nor Infinity."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads((folder / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)


THREE = [case("a", mask(3), mask(3)), case("b", mask(2), mask(3), "one, red\npolyp"), case("c", mask(4), mask(2))]
VALUES = {"dice": [1.0, 0.8, 0.6], "hd95": [0.0, 1.5, 2.0]}


# Rows


def test_every_image_has_a_row_in_order(tmp_path):
    evaluate(tmp_path, THREE, VALUES)
    assert [row["image"] for row in rows_of(tmp_path)] == ["images/a.png", "images/b.png", "images/c.png"]


def test_a_row_names_mask_prompt_and_sizes(tmp_path):
    evaluate(tmp_path, THREE, VALUES)
    assert rows_of(tmp_path)[1] == {
        "image": "images/b.png",
        "label": "masks/b.png",
        "prompt": "one, red\npolyp",
        "label_pixels": "18",
        "pred_pixels": "12",
        "dice": str(torch.tensor(0.8).item()),
        "hd95": "1.5",
    }


def test_an_image_with_two_masks_has_two_rows(tmp_path):
    """CheXlocalize and CAMUS have a mask per structure."""
    evaluate(tmp_path, [THREE[0], THREE[0]], {"dice": [1.0, 0.5]})
    assert [float(row["dice"]) for row in rows_of(tmp_path)] == [1.0, 0.5]


def test_a_second_run_of_the_evaluator_starts_anew(tmp_path):
    evaluate(tmp_path, THREE, VALUES, epochs=2)
    assert len(rows_of(tmp_path)) == 3


def test_numbers_of_images_and_values_must_agree(tmp_path):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        evaluate(tmp_path, THREE, {"dice": [1.0, 0.8]})


def test_nothing_is_written_before_the_end(tmp_path):
    engine = Engine(lambda engine, batch: None)
    EvaluationReport(tmp_path / "eval", SETTINGS).attach(engine)
    assert not (tmp_path / "eval").exists()


def test_two_files_are_written_into_a_new_folder(tmp_path):
    evaluate(tmp_path / "eval" / "test_p1", THREE, VALUES)
    assert sorted(os.listdir(tmp_path / "eval" / "test_p1")) == ["per_image.csv", "summary.json"]


# Rules for empty masks

EMPTY = {
    "both": (mask(0), mask(0), 1.0),
    "prediction": (mask(0), mask(3), 0.0),
    "annotation": (mask(3), mask(0), 0.0),
}


@pytest.mark.parametrize("computed", [0.0, 0.25, 1.0, math.nan, math.inf])
@pytest.mark.parametrize(("pred", "label", "expected"), EMPTY.values(), ids=EMPTY)
def test_overlap_of_empty_masks_follows_the_rule_whatever_was_computed(tmp_path, pred, label, expected, computed):
    evaluate(tmp_path, [case("a", pred, label)], {"dice": [computed]})
    assert float(rows_of(tmp_path)[0]["dice"]) == expected


@pytest.mark.parametrize("computed", [0.0, math.nan, math.inf])
@pytest.mark.parametrize(("pred", "label", "expected"), EMPTY.values(), ids=EMPTY)
def test_distances_of_empty_masks_are_undefined(tmp_path, pred, label, expected, computed):
    evaluate(tmp_path, [case("a", pred, label)], {"hd95": [computed]})
    assert math.isnan(float(rows_of(tmp_path)[0]["hd95"]))


def test_other_metrics_can_be_distances(tmp_path):
    evaluate(tmp_path, [case("a", mask(0), mask(0))], {"assd": [1.0], "hd95": [1.0]}, distances=["assd"])
    row = rows_of(tmp_path)[0]
    assert math.isnan(float(row["assd"]))
    assert float(row["hd95"]) == 1


@pytest.mark.parametrize("computed", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_undefined(tmp_path, computed):
    evaluate(tmp_path, [case("a", mask(2), mask(3))], {"dice": [computed]})
    assert math.isnan(float(rows_of(tmp_path)[0]["dice"]))


def test_undefined_distances_are_left_out_of_the_mean_and_counted(tmp_path):
    cases = [*THREE, case("d", mask(0), mask(3)), case("e", mask(0), mask(0))]
    evaluate(tmp_path, cases, {"hd95": [0.0, 1.0, 2.0, math.nan, 99.0]})
    hd95 = summary_of(tmp_path)["metrics"]["hd95"]
    assert (hd95["mean"], hd95["images"], hd95["undefined"]) == (1.0, 3, 2)


def test_images_and_empty_annotations_are_counted(tmp_path):
    evaluate(tmp_path, [*THREE, case("d", mask(1), mask(0))], {"dice": [1.0, 0.8, 0.6, 0.0]})
    summary = summary_of(tmp_path)
    assert (summary["images"], summary["empty_labels"]) == (4, 1)


# Summary


def test_the_summary_says_what_the_numbers_depend_on(tmp_path):
    evaluate(tmp_path, THREE, VALUES)
    assert summary_of(tmp_path).items() >= SETTINGS.items()


def test_the_summary_states_its_rules(tmp_path):
    evaluate(tmp_path, THREE, VALUES)
    assert {"resolution", "empty masks", "interval"} <= summary_of(tmp_path)["rules"].keys()


def test_the_summary_has_all_metrics(tmp_path):
    evaluate(tmp_path, THREE, VALUES)
    metrics = summary_of(tmp_path)["metrics"]
    assert {name: metric["mean"] for name, metric in metrics.items()} == pytest.approx({"dice": 0.8, "hd95": 3.5 / 3})


def test_a_metric_that_is_undefined_everywhere_is_valid_json(tmp_path):
    evaluate(tmp_path, [case("a", mask(0), mask(3)), case("b", mask(0), mask(3))], {"hd95": [math.nan, math.inf]})
    hd95 = summary_of(tmp_path)["metrics"]["hd95"]
    assert hd95 == {"mean": None, "std": None, "median": None, "ci95": [None, None], "images": 0, "undefined": 2}


def test_one_image_is_enough(tmp_path):
    evaluate(tmp_path, THREE[1:2], {"dice": [0.8]})
    dice = summary_of(tmp_path)["metrics"]["dice"]
    assert (dice["std"], dice["images"]) == (0, 1)
    assert [dice["mean"], dice["median"], *dice["ci95"]] == pytest.approx([0.8] * 4)


def test_the_summary_is_logged_as_a_table(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="monai_vlsm"):
        evaluate(tmp_path, THREE, VALUES)
    assert "dice             0.8000   0.2000   0.8000" in caplog.text
    assert str(tmp_path) in caplog.text


def test_a_table_shows_undefined_numbers_as_a_dash():
    table = format_summary({"metrics": {"hd95": summarize([math.nan])}})
    assert table.splitlines()[1].split() == ["hd95", "-", "-", "-", "-", "to", "-", "0", "1"]


def sample(count=40, seed=0):
    return np.random.default_rng(seed).beta(5, 2, count).tolist()


def test_mean_deviation_and_median_are_those_of_the_values():
    summary = summarize([0.2, 0.4, 0.9])
    assert [summary[name] for name in ("mean", "std", "median")] == pytest.approx([0.5, np.sqrt(0.13), 0.4])


def test_undefined_values_do_not_change_the_numbers():
    with_undefined, without = summarize([0.2, math.nan, 0.4, 0.9]), summarize([0.2, 0.4, 0.9])
    assert with_undefined.pop("undefined") == 1
    assert without.pop("undefined") == 0
    assert with_undefined == without


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_contains_the_mean(seed):
    summary = summarize(sample(seed=seed))
    low, high = summary["ci95"]
    assert low < summary["mean"] < high


def test_the_interval_is_that_of_the_mean():
    """For many values it is close to 1.96 standard errors on both sides."""
    values = sample(400)
    low, high = summarize(values)["ci95"]
    error = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
    assert (low, high) == pytest.approx((np.mean(values) - error, np.mean(values) + error), abs=0.1 * error)


def test_the_interval_shrinks_with_the_number_of_images():
    few, many = (np.diff(summarize(sample(count))["ci95"]).item() for count in (20, 320))
    assert many < few / 2


def test_the_interval_is_reproducible():
    assert summarize(sample()) == summarize(sample())


def test_the_interval_does_not_depend_on_the_global_seed():
    np.random.seed(1)
    first = summarize(sample())
    np.random.seed(2)
    assert summarize(sample()) == first


def test_equal_values_have_an_interval_of_no_width():
    assert summarize([0.7] * 5)["ci95"] == pytest.approx([0.7, 0.7])


# With MONAI's own metrics


class Echo(nn.Module):
    """Predicts what the image shows."""

    def forward(self, image):
        return image


@pytest.fixture
def evaluated(tmp_path):
    """The folder of an evaluation of four images with the metrics of evaluate.json."""
    masks = {"a": (mask(3), mask(3)), "b": (mask(2), mask(4)), "c": (mask(0), mask(0)), "d": (mask(0), mask(3))}
    batches = [
        {
            "image": MetaTensor(pred[None], meta={"filename_or_obj": [f"images/{name}.png"]}),
            "label": MetaTensor(label[None], meta={"filename_or_obj": [f"masks/{name}.png"]}),
            "prompt": ["polyp"],
        }
        for name, (pred, label) in masks.items()
    ]
    pair = from_engine(["pred", "label"])
    surface = SurfaceDiceMetric(class_thresholds=[2], include_background=True)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=batches,
        network=Echo(),
        inferer=SimpleInferer(),
        key_val_metric={"dice": IgniteMetricHandler(DiceMetric(ignore_empty=False), output_transform=pair)},
        additional_metrics={
            "hd95": HausdorffDistance(include_background=True, percentile=95, output_transform=pair),
            "surface_dice": IgniteMetricHandler(surface, output_transform=pair),
        },
    )
    EvaluationReport(tmp_path, SETTINGS).attach(evaluator)
    evaluator.run()
    return tmp_path


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("dice", [1, 2 * 12 / (12 + 24), 1, 0]),
        ("hd95", [0, 2, math.nan, math.nan]),
        ("surface_dice", [1, 1, 1, 0]),
    ],
)
def test_monais_metrics_follow_the_rules(evaluated, metric, expected):
    values = [float(row[metric]) for row in rows_of(evaluated)]
    assert values == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", ["per_image.csv", "summary.json"])
def test_a_full_disk_is_named_and_leaves_no_half_written_report(tmp_path, monkeypatch, name):
    opened = Path.open

    def full(path, *arguments, **options):
        if path.name.endswith(name):
            opened(path, "w").close()
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DataError, match=rf"{name}.*the disk is full"):
        evaluate(tmp_path, [case("a", mask(2), mask(3))], {"dice": [0.8]})
    assert name not in os.listdir(tmp_path)
    assert not [path for path in os.listdir(tmp_path) if ".part." in path]
