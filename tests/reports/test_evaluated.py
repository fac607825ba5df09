"""Tests of sections on runs: metrics, presence and rankings."""

from __future__ import annotations

import re

import pytest
from reports.tables import SETTINGS, write_run

from monai_vlsm.errors import DataError
from monai_vlsm.pages import Page
from monai_vlsm.pages.cells import UNKNOWN
from monai_vlsm.reports.evaluated import add_metrics, add_presence, add_ranking, interval, setting
from monai_vlsm.reports.runs import read_run

DICE = [0.9, 0.1, 0.8, 0.3]
HOSTILE = "<script>alert(1)</script>"


def text_of(add, *arguments) -> str:
    """The section that ``add`` writes, without markup."""
    page = Page("title")
    add(page, *arguments)
    return re.sub(r"<[^>]+>", " ", page.html().partition("<main>")[2])


def test_metrics_have_a_row_for_each_run_with_the_interval_of_the_summary(tmp_path):
    runs = [read_run(write_run(tmp_path / name, dice)) for name, dice in (("first", DICE), ("second", [0.5] * 4))]
    shown = text_of(add_metrics, runs)
    low, high = runs[0].settings["metrics"]["dice"]["ci95"]
    assert f"0.525  {low:.3f} to {high:.3f}" in shown
    assert "0.500  0.500 to 0.500" in shown
    assert "resample images, as the runs name no patients" in shown


def test_intervals_take_patients_where_they_are_known(tmp_path):
    alone = read_run(write_run(tmp_path / "alone", DICE))
    grouped = read_run(write_run(tmp_path / "grouped", DICE, group=["a", "b", "a", "b"]))
    assert interval(grouped, "dice") != interval(alone, "dice")
    assert "resample patients" in text_of(add_metrics, [grouped])


def test_a_run_without_presence_says_how_to_have_it(tmp_path):
    run = read_run(write_run(tmp_path / "run", DICE))
    assert "no presence score" in text_of(add_presence, run, "python evaluate")
    assert "python evaluate" in text_of(add_presence, run, "python evaluate")


def test_presence_of_one_kind_of_case_gives_no_auroc(tmp_path):
    run = read_run(write_run(tmp_path / "run", DICE, presence=[0.9, 0.8, 0.7, 0.6]))
    shown = text_of(add_presence, run, "")
    assert "no case of the kind &#x27;target not shown&#x27;" in shown
    assert "AUROC" not in shown


def test_presence_that_tells_all_cases_apart_has_an_auroc_of_1(tmp_path):
    columns = {"presence": [0.9, 0.8, 0.2, 0.1], "label_pixels": [5, 5, 0, 0], "pred_pixels": [5, 0, 7, 0]}
    shown = text_of(add_presence, read_run(write_run(tmp_path / "run", DICE, **columns)), "")
    assert re.search(r"AUROC\s+1\.000", shown)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"drawn_in_vain": 0.25, "drawn_in_vain_ci95": [0.1, 0.4]}, r"0\.250\s\(0\.100\sto\s0\.400\)"),
        ({"drawn_in_vain": 10**400, "drawn_in_vain_ci95": "<b>"}, UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_masks_in_vain_are_those_of_the_summary(tmp_path, told, expected):
    columns = {"presence": [0.9, 0.8, 0.2, 0.1], "label_pixels": [5, 5, 0, 0]}
    run = read_run(write_run(tmp_path / "run", DICE, {**SETTINGS, "presence": told}, **columns))
    assert re.search(rf"does not show the target\s+{expected}", text_of(add_presence, run, ""))


def test_a_ranking_shows_the_best_possible_and_none_beside_the_scores(tmp_path):
    scores = {"agreement": [0.9, 0.2, 0.8, 0.4], "mean_probability": [0.1, 0.9, 0.2, 0.8]}
    columns = {**scores, "look": [False, True, False, True]}
    shown = text_of(add_ranking, read_run(write_run(tmp_path / "run", DICE, **columns)), "")
    # In the right order the mean risks are 0.1, 0.15, 1.0 / 3 and 0.475; the other way round 0.9, 0.8, 0.6, 0.475.
    assert re.search(r"agreement over paraphrases\s+0\.265\s[\d.\sto]+\s1\.000\s", shown)
    assert re.search(r"mean probability of the mask\s+0\.694\s[\d.\sto]+\s0\.000\s", shown)
    assert re.search(r"best possible\s+0\.265\s", shown)
    assert re.search(r"no ranking\s+0\.475\s+0\.500", shown)
    assert re.search(r"look\s+2\s+0\.200", shown)


@pytest.mark.parametrize("column", ["agreement", "presence"])
def test_a_score_that_is_no_number_is_refused_by_its_row(tmp_path, column):
    run = read_run(write_run(tmp_path / "run", DICE, **{column: ["1", HOSTILE, "1", "1"]}))
    with pytest.raises(DataError, match=rf"row 3, column '{column}': expected a number, got '<script>"):
        text_of(add_presence if column == "presence" else add_ranking, run, "")


@pytest.mark.parametrize("value", ["nan", "", "inf"])
def test_cases_without_a_score_are_left_out(tmp_path, value):
    run = read_run(write_run(tmp_path / "run", DICE, agreement=[0.9, value, 0.8, 0.4]))
    assert "3 cases" in text_of(add_ranking, run, "")


def test_texts_of_a_run_stay_texts(tmp_path):
    settings = {**SETTINGS, "split": HOSTILE, "model": f"/home/x/{HOSTILE}", "prompt_level": {"a": HOSTILE}}
    page = Page("title")
    add_metrics(page, [read_run(write_run(tmp_path / "run", DICE, settings))])
    assert "<script" not in page.html()


@pytest.mark.parametrize("model", ["/home/someone/model.pt", r"C:\Users\someone\model.pt"])
def test_of_a_path_the_last_part_is_told(tmp_path, model):
    run = read_run(write_run(tmp_path / "run", DICE, {**SETTINGS, "model": model}))
    assert setting(run, "model") == "model.pt"
