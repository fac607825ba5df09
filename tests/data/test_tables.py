"""Tables that spreadsheets may open, and our own readers read back."""

from __future__ import annotations

import csv

import pytest

from monai_vlsm.data.tables import as_written, harmless, write_table

FORMULAS = ["=1+1", "+1", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''=1"]
PLAIN = ["", "polyp", "a=b", "'tis", "5", "''"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(text):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_other_texts_stay_as_they_are(text):
    assert harmless(text) == text


@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN])
def test_a_reader_gets_the_text_back(text):
    assert as_written(harmless(text)) == text


def test_texts_of_a_table_are_harmless_and_numbers_are_numbers(tmp_path):
    write_table(tmp_path / "t.csv", ["a", "b", "c"], [{"a": "=1", "b": -2.5, "c": None}])
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["a", "b", "c"], ["'=1", "-2.5", ""]]


def test_half_a_character_in_the_name_of_a_file_can_be_written(tmp_path):
    write_table(tmp_path / "t.csv", ["image"], [{"image": "b\udcff.png"}])
    assert r"b\udcff.png" in (tmp_path / "t.csv").read_text(encoding="utf-8")
