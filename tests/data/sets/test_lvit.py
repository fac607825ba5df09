"""Sentences of LViT beside images, and what goes wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from raw_layouts import LAYOUTS, OTHER_FORMS
from raw_layouts.drawing import write_sheet
from raw_layouts.layouts import MOSMED, mosmed_sheet

from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.prepare import PrepareOptions, prepare
from monai_vlsm.errors import DataError

MISSING = "it has no sentence in the sheets of its split"


@pytest.fixture
def raw(tmp_path) -> Path:
    LAYOUTS["mosmed"](tmp_path / "raw", np.random.default_rng(0))
    return tmp_path / "raw"


def sheet_of(part: str, folder: Path) -> Path:
    return next(folder.glob(f"{part}_text*.xlsx"))


def prepared(folder: Path, **options):
    out = folder.parent / "out"
    report = prepare("mosmed", [folder], out, PrepareOptions(**options), progress=False)
    return report, {split: {Path(e["label"]).stem: e for e in entries} for split, entries in load_splits(out).items()}


@pytest.mark.parametrize("write", [LAYOUTS["mosmed"], OTHER_FORMS["mosmed, LViT"]])
def test_sentences_meet_their_images_in_the_split_of_lvit(write, tmp_path):
    write(tmp_path / "raw", np.random.default_rng(0))
    _, splits = prepared(tmp_path / "raw")
    assert {split: set(entries) for split, entries in splits.items()} == {
        "training": set(MOSMED["Train"]),
        "validation": set(MOSMED["Val"]),
        "test": set(MOSMED["Test"]),
    }
    assert splits["training"]["bjorke_8"]["prompts"] == {
        "p0": [""],
        "p1": ["Pulmonary infection in the chest CT."],
        "p2": ["Unilateral infection, bjorke_8."],
    }


def test_a_scan_that_the_split_cuts_through_is_counted_and_mended(raw, tmp_path):
    write_sheet(sheet_of("Test", raw), *mosmed_sheet([*MOSMED["Test"], "Morozov_study_0255_10"]))
    assert prepared(raw)[0].groups_in_several_splits == 1
    options = PrepareOptions(split="by_sequence")
    report = prepare("mosmed", [raw], tmp_path / "mended", options, progress=False)
    assert report.groups_in_several_splits == 0


def test_an_image_without_a_sentence_is_told_and_left_out(raw):
    write_sheet(sheet_of("Train", raw), *mosmed_sheet(MOSMED["Train"][:-1]), ("bjorke_9.png", "  "), ("", "lost"))
    report, splits = prepared(raw)
    assert report.skipped == [(MISSING, 1, "bjorke_9")]
    assert set(splits["training"]) == set(MOSMED["Train"][:-1])


def test_an_image_in_two_sheets_is_for_the_later_split(raw):
    write_sheet(sheet_of("Test", raw), *mosmed_sheet([*MOSMED["Test"], "bjorke_8"]))
    _, splits = prepared(raw)
    assert "bjorke_8" in splits["test"]
    assert "bjorke_8" not in splits["training"]


def test_an_image_that_is_there_twice_has_both_sentences(raw):
    write_sheet(sheet_of("Val", raw), *mosmed_sheet(MOSMED["Val"] * 2), (f"{MOSMED['Val'][0]}.png", "Another one."))
    _, splits = prepared(raw)
    assert splits["validation"][MOSMED["Val"][0]]["prompts"]["p2"] == [
        f"Unilateral infection, {MOSMED['Val'][0]}.",
        "Another one.",
    ]


def test_sentences_of_another_set_leave_no_image(raw):
    for part in MOSMED:
        write_sheet(sheet_of(part, raw), ("Image", "Description"), ("mask_covid_1.png", "Bilateral infection."))
    with pytest.raises(DataError, match=f"no image of MosMedData. could be used; the first: .*{MISSING}"):
        prepared(raw)


def test_two_sheets_of_one_split_that_differ_are_refused(raw):
    write_sheet(raw / "Test_text.xlsx", *mosmed_sheet(MOSMED["Test"][:1]))
    with pytest.raises(DataError, match="two different files of the source have the name"):
        prepared(raw)


def test_a_damaged_sheet_is_told_and_leaves_nothing(raw):
    sheet_of("Val", raw).write_bytes(b"<html>Sign in</html>")
    with pytest.raises(DataError, match=r"Val_text_MosMedData\+ 1\.xlsx' cannot be read as a sheet"):
        prepared(raw)
    assert not (raw.parent / "out").exists()
