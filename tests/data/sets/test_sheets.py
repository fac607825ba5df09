"""Sheets that come with images, also damaged and hostile ones."""

from __future__ import annotations

import zipfile

import pytest
from raw_layouts.drawing import write_sheet

from monai_vlsm.data.sets import sheets
from monai_vlsm.data.sets.sheets import read_sheet
from monai_vlsm.errors import DataError


@pytest.fixture
def sheet(tmp_path):
    def write(*rows):
        write_sheet(tmp_path / "sheet.xlsx", *rows)
        return tmp_path / "sheet.xlsx"

    return write


def test_rows_go_by_title_as_clean_text(sheet):
    path = sheet(("Name", "Text", None), ("a", " two\n words ", 3), (None, None, None), ("b", None, None), (1.5,))
    assert read_sheet(path, "Text", "Name") == [
        {"Name": "a", "Text": "two words"},
        {"Name": "b", "Text": ""},
        {"Name": "1.5", "Text": ""},
    ]


def test_an_empty_file_has_no_rows(sheet):
    assert read_sheet(sheet(), "Text") == []


def test_missing_columns_are_named_with_those_that_are_there(sheet):
    with pytest.raises(DataError, match=r"no sheet with the columns Text, Name, but with Other"):
        read_sheet(sheet(("Other",), ("a",)), "Text", "Name")


@pytest.mark.parametrize("content", [b"", b"Name;Text\na;b\n", b"PK\x03\x04 cut off"])
def test_what_is_no_sheet_is_told(content, tmp_path):
    (tmp_path / "sheet.xlsx").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a sheet"):
        read_sheet(tmp_path / "sheet.xlsx", "Text")


def test_a_zip_of_something_else_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "sheet.xlsx", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match="cannot be read as a sheet"):
        read_sheet(tmp_path / "sheet.xlsx", "Text")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "_MOST_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "sheet.xlsx", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/sharedStrings.xml", " " * 10_001)
    with pytest.raises(DataError, match="unpacks to more than 10,000 bytes"):
        read_sheet(tmp_path / "sheet.xlsx", "Text")


def rewritten(path, old: str, new: str):
    """Replace text in the first sheet of an xlsx."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    assert old.encode() in parts["xl/worksheets/sheet1.xml"]
    with zipfile.ZipFile(path, "w") as file:
        for name, part in parts.items():
            file.writestr(name, part.replace(old.encode(), new.encode()) if "sheet1" in name else part)
    return path


def test_a_row_far_away_does_not_fill_the_memory(sheet, monkeypatch):
    monkeypatch.setattr(sheets, "_MOST_ROWS", 100)
    path = rewritten(sheet(("Text",), ("a",), ("b",)), '<row r="3"', '<row r="2000000000"')
    assert read_sheet(path, "Text") == [{"Text": "a"}]


def test_a_bomb_of_xml_entities_is_refused(sheet):
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, 11))
    doctype = f'<!DOCTYPE x [<!ENTITY e0 "ha">{entities}]>'
    path = rewritten(sheet(("Text",), ("a",)), "<worksheet", f"{doctype}<worksheet")
    with pytest.raises(DataError, match="cannot be read as a sheet"):
        read_sheet(rewritten(path, "<t>a</t>", "<t>&e10;</t>"), "Text")
