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
from monai_vlsm.handlers.evaluation_report import format_summary
from monai_vlsm.statistics import summarize

SETTINGS = {"dataset": "data/busi", "prompt_level": "p1"}


def mask(filled):
    """A mask (1, 6, 6) whose first columns are filled."""
    array = torch.zeros(1, 6, 6)
    array[:, :filled] = 1
    return array


def case(name, pred, label, prompt="polyp", group=None, **scores):
    """One image of a decollated batch, and what the evaluator made of it."""
    image, truth = (
        MetaTensor(label, meta={"filename_or_obj": f"{folder}/{name}.png"}) for folder in ("images", "masks")
    )
    item = {"image": image, "label": truth, "prompt": prompt, **({"group": group} if group else {})}
    return item, {"pred": pred, "label": truth, **scores}


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
        "group": "",
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


SCORED = [
    case("a", mask(3), mask(3), look=True, agreement=torch.tensor([0.75]), presence=0.5),
    case("b", mask(2), mask(3), presence=torch.tensor(1.0)),
]


def test_scores_of_the_outputs_are_columns_in_a_fixed_order(tmp_path):
    evaluate(tmp_path, SCORED, {"dice": [1.0, 0.8]})
    scores = ["presence", "agreement", "look"]
    assert list(rows_of(tmp_path)[0])[5:] == ["pred_pixels", *scores, "dice"]


def test_scores_are_plain_and_empty_where_an_output_has_none(tmp_path):
    evaluate(tmp_path, SCORED, {"dice": [1.0, 0.8]})
    scores = [[row[name] for name in ("presence", "agreement", "look")] for row in rows_of(tmp_path)]
    assert scores == [["0.5", "0.75", "True"], ["1.0", "", ""]]


def test_an_image_without_a_mask_file_has_an_empty_label(tmp_path):
    item, output = case("a", mask(0), mask(0))
    item["label"] = MetaTensor(item["label"].as_tensor())
    evaluate(tmp_path, [(item, output)], {"dice": [0.0]})
    row = rows_of(tmp_path)[0]
    assert (row["label"], row["label_pixels"], row["dice"]) == ("", "0", "1.0")


# Groups

PATIENTS = [case(str(number), mask(3), mask(3), group=f"patient {number // 4}") for number in range(12)]
PATIENT_DICE = {"dice": [0.9] * 4 + [0.5] * 4 + [0.1] * 4}


def test_a_row_names_its_group(tmp_path):
    evaluate(tmp_path, [*PATIENTS[:5], THREE[0]], {"dice": [0.5] * 6})
    assert [row["group"] for row in rows_of(tmp_path)] == ["patient 0"] * 4 + ["patient 1", ""]


def test_intervals_resample_whole_groups(tmp_path):
    evaluate(tmp_path, PATIENTS, PATIENT_DICE)
    evaluate(tmp_path / "images", [case(str(number), mask(3), mask(3)) for number in range(12)], PATIENT_DICE)
    grouped, alone = (np.diff(summary_of(path)["metrics"]["dice"]["ci95"]) for path in (tmp_path, tmp_path / "images"))
    assert grouped > 1.5 * alone


def test_the_summary_counts_groups_and_images_without_one(tmp_path):
    evaluate(tmp_path, [*PATIENTS, *THREE], {"dice": [0.5] * 15})
    summary = summary_of(tmp_path)
    assert (summary["images"], summary["groups"], summary["without_group"]) == (15, 6, 3)


def test_rows_of_an_image_without_group_belong_together(tmp_path):
    evaluate(tmp_path, [THREE[0], THREE[0], THREE[1]], {"dice": [1.0, 0.5, 0.2]})
    summary = summary_of(tmp_path)
    assert (summary["groups"], summary["metrics"]["dice"]["groups"]) == (2, 2)


def test_a_group_is_not_taken_for_an_image_of_its_name(tmp_path):
    evaluate(tmp_path, [case("a", mask(3), mask(3), group="images/b.png"), THREE[1]], {"dice": [1.0, 0.5]})
    assert summary_of(tmp_path)["groups"] == 2


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
    undefined = {"mean": None, "std": None, "median": None, "ci95": [None, None]}
    assert hd95 == {**undefined, "images": 0, "undefined": 2, "groups": 0}


def test_one_image_is_enough(tmp_path):
    evaluate(tmp_path, THREE[1:2], {"dice": [0.8]})
    dice = summary_of(tmp_path)["metrics"]["dice"]
    assert (dice["std"], dice["images"], dice["ci95"]) == (0, 1, [None, None])
    assert [dice["mean"], dice["median"]] == pytest.approx([0.8] * 2)


def test_the_summary_is_logged_as_a_table(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="monai_vlsm"):
        evaluate(tmp_path, THREE, VALUES)
    assert "dice             0.8000   0.2000   0.8000" in caplog.text
    assert str(tmp_path) in caplog.text


def test_a_table_shows_undefined_numbers_as_a_dash():
    table = format_summary({"metrics": {"hd95": summarize([math.nan])}})
    assert table.splitlines()[1].split() == ["hd95", "-", "-", "-", "-", "to", "-", "0", "1"]


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


# Absent targets


def in_vain(name, pred, **scores):
    """A case that was asked for something absent: it has no file of a label."""
    item, output = case(name, pred, mask(0), "kidney", **scores)
    item["label"].meta["filename_or_obj"] = ""
    return item, output


ASKED = [
    *(case(f"image {n}", mask(2), mask(2), presence=0.9) for n in range(3)),
    in_vain("image 0", mask(0), presence=0.1),
    in_vain("image 1", mask(3), presence=0.95),
]


def test_what_was_asked_in_vain_counts_for_presence_and_not_for_metrics(tmp_path):
    evaluate(tmp_path, ASKED, {"dice": [0.8, 0.8, 0.8, 1.0, 0.0]})
    summary = summary_of(tmp_path)
    assert (summary["images"], summary["metrics"]["dice"]["mean"]) == (3, pytest.approx(0.8))
    assert (summary["presence"]["present"], summary["presence"]["absent"]) == (3, 2)
    assert (summary["presence"]["auroc"], summary["presence"]["drawn_in_vain"]) == (0.5, 0.5)
    assert len(rows_of(tmp_path)) == 5


def test_the_table_says_how_often_a_mask_was_drawn_in_vain(tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="monai_vlsm"):
        evaluate(tmp_path, ASKED, {"dice": [0.8, 0.8, 0.8, 1.0, 0.0]})
    assert "asked for what is not there: 2 times, answered with a mask: 50%" in caplog.text


def test_without_presence_nothing_is_said_of_it(tmp_path):
    evaluate(tmp_path, THREE, VALUES)
    assert "presence" not in summary_of(tmp_path)


def test_scores_of_cases_are_judged_by_the_masks_they_find(tmp_path, caplog):
    caplog.set_level(logging.INFO, "monai_vlsm")
    scores = [(0.9, 0.99, False), (0.3, 0.7, True), (0.2, 0.95, False)]
    cases = [
        case(str(at), mask(3), mask(3), agreement=agreement, mean_probability=probability, look=look)
        for at, (agreement, probability, look) in enumerate(scores)
    ]
    evaluate(tmp_path, cases, {"dice": [0.9, 0.1, 0.2]})
    found = json.loads((tmp_path / "summary.json").read_text())["selection"]
    assert (found["cases"], found["bad"], found["look"]) == (3, 2, {"cases": 1, "bad": 1})
    assert "to look at: 1 of 3 cases, among them 1 of the 2 with a Dice below 0.5" in caplog.text
    assert list(found["scores"]) == ["agreement", "mean_probability"]
    assert found["scores"]["agreement"]["auroc"] == 1
    assert found["scores"]["agreement"]["area"] == pytest.approx((0.1 + (0.1 + 0.9) / 2 + 1.8 / 3) / 3)


def test_without_scores_none_are_judged(tmp_path):
    evaluate(tmp_path, [case("a", mask(3), mask(3))], {"dice": [1.0]})
    assert "selection" not in json.loads((tmp_path / "summary.json").read_text())


def test_scores_without_dice_are_counted_only(tmp_path):
    evaluate(tmp_path, [case("a", mask(3), mask(3), mean_probability=0.5, look=True)], {"iou": [1.0]})
    found = json.loads((tmp_path / "summary.json").read_text())["selection"]
    assert found == {"cases": 0, "left_out": 1, "bad": 0, "look": {"cases": 1, "bad": 0}}
