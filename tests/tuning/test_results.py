"""Table, page and override: what people read, and what the best trial is trained with again."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest

from monai_vlsm.tuning.page import search_page
from monai_vlsm.tuning.results import FAILED, FINISHED, STOPPED_EARLY, Row, training_command, write_results

EVIL = "=cmd|' /C calc'!A0 <script>"


def row(number, outcome, dice, error="", **values) -> Row:
    course = {} if dice is None else {1: dice / 2, 2: dice}
    return Row(number, outcome, dice, course, values, 2, error)


@pytest.fixture
def rows() -> list[Row]:
    return [
        row(3, STOPPED_EARLY, 0.9, method="dense", learning_rate=1e-3, backbone=EVIL),
        row(1, FINISHED, 0.8, method="dense", learning_rate=1e-2, backbone=EVIL, bottleneck=16),
        row(0, FINISHED, 0.7, method="lora", learning_rate=1e-4, backbone="a", bottleneck=None),
        row(2, FAILED, None, EVIL, method="lora", learning_rate=1e-3, backbone="a"),
    ]


def test_the_override_is_that_of_the_best_trial_that_had_all_its_epochs(rows, tmp_path):
    write_results(rows, tmp_path)
    assert json.loads((tmp_path / "best.json").read_text()) == dict(rows[1].values)


def test_without_a_finished_trial_there_is_no_override(rows, tmp_path):
    write_results([rows[0], rows[3]], tmp_path)
    assert not (tmp_path / "best.json").exists()


def test_the_table_has_every_trial_and_no_formula(rows, tmp_path):
    write_results(rows, tmp_path)
    with (tmp_path / "trials.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [(line["trial"], line["outcome"], line["dice"]) for line in table] == [
        ("3", "stopped early", "0.9"),
        ("1", "finished", "0.8"),
        ("0", "finished", "0.7"),
        ("2", "failed", ""),
    ]
    assert table[0]["backbone"] == table[3]["error"] == f"'{EVIL}"


def test_the_page_shows_all_keys_and_courses_and_no_markup_of_others(rows, read):
    rate = {"low": 1e-4, "high": 1e-2, "log": True}
    space = read({"learning_rate": rate, "backbone": [EVIL, "a"], "bottleneck": [16, 32]})
    page = search_page(EVIL, rows, space, "python").html()
    assert "<script" not in page
    assert page.count("<svg") - page.count('aria-hidden="true"') == 2, "a scatter and the courses"
    assert page.count("<circle") == 3
    assert page.count("<polyline") == 3
    assert "log10 of learning_rate" in page
    assert page.count("<table") == 3


def test_a_key_that_the_method_of_a_trial_does_not_have_is_not_shown_of_it(read):
    """Its value is null then, which is no place on an axis and no choice."""
    rows = [row(0, FINISHED, 0.5, method="lora", bottleneck=None), row(1, FINISHED, 0.0, method="dense", bottleneck=8)]
    space = {"method": ["dense", "lora"], "bottleneck": {"low": 4, "high": 64, "log": True}}
    assert search_page("busi", rows, read(space, bottleneck=32), "").html().count("<circle") == 1
    rows[1] = row(1, FINISHED, 0.3, method="dense", bottleneck=None)
    page = search_page("busi", rows, read({**space, "bottleneck": [None, 16]}, bottleneck=32), "").html()
    assert '<th scope="row">null</th><td class="number">1</td><td class="number">0.300</td>' in page


def test_of_many_trials_the_page_shows_the_courses_of_the_best(read):
    space = read({"learning_rate": [1e-3, 1e-2]})
    rows = [row(number, FINISHED, 0.5, learning_rate=1e-3) for number in range(70)]
    page = search_page("busi", rows, space, "").html()
    assert page.count("<polyline") == 60
    assert "10 trials are not shown" in page


def test_the_command_takes_folders_of_any_name(rows):
    command = training_command(Path("my bundles/it's"), Path("/out $(x)"), rows[1])
    words = shlex.split(command)
    assert words[0] == "OMP_NUM_THREADS=2"
    assert json.loads(words[-1]) == ["my bundles/it's/configs/train.json", "/out $(x)/best.json"]
