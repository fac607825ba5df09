"""Tests of the table beside the masks of an inference."""

import csv

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor

from monai_vlsm.handlers import PredictionTable


def output(name, prompt="cyst", pixels=3, **scores):
    image = MetaTensor(torch.zeros(1, 2, 2), meta={"filename_or_obj": f"/images/{name}", "prompt": prompt})
    pred = MetaTensor((torch.arange(4) < pixels).view(2, 2), meta={"saved_to": f"/masks/{name}"})
    return {"image": image, "pred": pred, **scores}


def run(folder, *outputs):
    engine = Engine(lambda _, batch: [batch])
    PredictionTable(folder).attach(engine)
    engine.run(outputs)
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_image_has_a_row(tmp_path):
    rows = run(tmp_path, output("a.png"), output("b.png", 'one "mass",\nat the left', 0))
    assert [list(row.values()) for row in rows] == [
        ["/images/a.png", "/masks/a.png", "cyst", "3"],
        ["/images/b.png", "/masks/b.png", 'one "mass",\nat the left', "0"],
    ]


def test_scores_are_columns_in_their_order_where_there_are_any(tmp_path):
    rows = run(tmp_path, output("a.png", look=True, mean_probability=0.5), output("b.png", look=False, agreement=0.25))
    assert list(rows[0])[4:] == ["agreement", "mean_probability", "look"]
    assert [row["agreement"] for row in rows] == ["", "0.25"]


def test_a_second_run_does_not_keep_the_rows_of_the_first(tmp_path):
    engine = Engine(lambda _, batch: [batch])
    PredictionTable(tmp_path).attach(engine)
    for _ in range(2):
        engine.run([output("a.png")])
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 2


def test_an_inference_that_is_interrupted_leaves_no_table_of_an_earlier_one(tmp_path):
    run(tmp_path, output("a.png"))
    with pytest.raises(KeyError):
        run(tmp_path, {"image": output("b.png")["image"]})
    assert not list(tmp_path.iterdir())
