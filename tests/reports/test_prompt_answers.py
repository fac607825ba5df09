"""Tests of what comes of the prompts of each case, with a network that follows the first word."""

from types import SimpleNamespace

import numpy as np
import pytest
from reports.small_bundle import write_data

from monai_vlsm.data import load_datalist
from monai_vlsm.reports.prompt_answers import ask
from monai_vlsm.reports.prompt_groups import FULL, Questions
from monai_vlsm.reports.prompt_summary import as_text, prompt_page, summarize_groups, write_tables


class Follows:
    """Finds the target of ``write_data`` unless the prompt begins with a negation or names no tumor."""

    def __init__(self):
        self.images = []

    def set_image(self, image):
        self.images.append(image)

    def predict(self, prompt, *, min_presence):
        assert min_presence == 0
        mask = np.zeros((32, 40), bool)
        is_there = "tumor" in prompt and not prompt.startswith("no ")
        mask[8:20, 10:30] = is_there
        return SimpleNamespace(mask=mask, presence=float(is_there))


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    data = write_data(tmp_path_factory.mktemp("prompts") / "busi")
    entries = load_datalist(data, "test")
    entries[1] = {**entries[1], "image": entries[0]["image"], "group": "=patient"}
    return Questions(entries, "p1")


@pytest.fixture(scope="module")
def rows(questions):
    return [row for case in ask(Follows(), questions, drawn=1, progress=False) for row in case]


def test_an_image_is_encoded_once(questions):
    predictor = Follows()
    assert len(list(ask(predictor, questions, progress=False))) == 4
    assert len(predictor.images) == len(set(predictor.images)) == 3


@pytest.mark.parametrize(
    ("group", "dice", "same", "presence", "area"),
    [
        (FULL, 1, 1, 1, 240 / 1280),
        ("paraphrase", 1, 1, 1, 240 / 1280),
        ("denied", 1, 0, 0, 0),
        ("empty", 0, 0, 0, 0),
        ("not there", 1, 0, 0, 0),
    ],
)
def test_answers_are_measured(rows, group, dice, same, presence, area):
    found = [row for row in rows if row["group"] == group]
    assert len(found) >= 4
    for row in found:
        assert [row[name] for name in ("dice", "same", "presence", "area")] == pytest.approx(
            [dice, same, presence, area]
        )


def test_the_first_cases_have_a_picture_of_each_group(rows):
    drawn = [row["group"] for row in rows if row["picture"] is not None]
    first = {row["group"] for row in rows if row["image"] == rows[0]["image"] and row["label"] == rows[0]["label"]}
    assert sorted(drawn) == sorted(first)


@pytest.fixture(scope="module")
def summary(rows, questions):
    return summarize_groups(rows, questions.groups, {"dataset": "busi", "split": "test"})


def test_groups_are_summarized_over_patients(summary):
    found = summary["groups"][FULL]
    assert (found["cases"], found["prompts"], found["dice"]["groups"]) == (4, 4, 4)
    assert found["dice"]["mean"] == 1
    assert summary["groups"]["paraphrase"]["prompts"] == 12
    assert "without size" in summary["not_asked"]


def test_the_table_has_no_formulas(rows, summary, tmp_path):
    write_tables(rows, summary, tmp_path)
    text = (tmp_path / "per_prompt.csv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == len(rows) + 1
    assert ",'=patient," in text
    assert ",=patient," not in text


def test_the_page_shows_every_group_and_escapes_prompts(rows, summary):
    told = [{**row, "prompt": "<script>"} for row in rows]
    html = prompt_page(told, summary, "python -m monai_vlsm prompts").html()
    assert "<script>" not in html
    assert all(f">{group}</th>" in html for group in summary["groups"])
    assert html.count("<img") == sum(row["picture"] is not None for row in rows)


def test_a_screen_shows_every_group(summary):
    assert [line.split("  ")[0] for line in as_text(summary).splitlines()[1:]] == list(summary["groups"])
