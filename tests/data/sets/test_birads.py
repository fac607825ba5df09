"""BrEaST: the radiologist's words as prompts."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from raw_layouts import LAYOUTS
from raw_layouts.drawing import write_sheet
from raw_layouts.layouts import BIRADS

from monai_vlsm.__main__ import main
from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.prepare import prepare
from monai_vlsm.data.sets.birads import birads_prompts
from monai_vlsm.errors import DataError

WHERE = "in the breast ultrasound image"


@pytest.fixture
def raw(tmp_path) -> Path:
    LAYOUTS["breast"](tmp_path / "raw", np.random.default_rng(0))
    return tmp_path / "raw"


def sheet_in(folder: Path) -> Path:
    return next(folder.glob("*.xlsx"))


def entries_of(out: Path) -> dict[str, dict]:
    return {Path(entry["label"]).stem: entry for entries in load_splits(out).values() for entry in entries}


def texts(row: dict[str, str], **options) -> list[str]:
    return [found[0].removesuffix(f" {WHERE}.") for found in birads_prompts(row, WHERE, **options).values()]


def test_each_level_says_more(raw, tmp_path):
    prepare("breast", [raw], tmp_path / "out", progress=False)
    found = entries_of(tmp_path / "out")["case001"]["prompts"]
    start = "Irregular complex cystic and solid"
    margins = "with spiculated and indistinct margins"
    assert [found[level][0] for level in found] == [
        "",
        *(
            f"{text} {WHERE}."
            for text in (
                "Tumor",
                "Irregular tumor",
                f"{start} tumor",
                f"{start} tumor {margins}",
                f"{start} tumor {margins} and posterior shadowing",
                f"{start} malignant tumor {margins} and posterior shadowing",
            )
        ),
    ]


def test_all_that_is_seen_is_listed():
    row = dict(zip(BIRADS[0], map(str, BIRADS[2]), strict=True))
    seen = "circumscribed margins, posterior enhancement, a halo and calcifications"
    assert texts(row)[-1] == f"Oval anechoic benign tumor with {seen}"


def test_a_normal_image_is_asked_for_the_class_like_all_others():
    assert texts({}, normal=True) == ["", "Tumor", *["No tumor"] * 5]


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"Shape": "not applicable", "Margin": "not applicable", "Echogenicity": "not available", "Halo": "no"},
        {"Shape": "<script>", "Margin": "not circumscribed - <b>", "Echogenicity": "=cmd|'/c calc'!A1"},
    ],
)
def test_what_is_no_word_of_birads_is_not_told(row):
    assert texts(row) == ["", *["Tumor"] * 6]


def test_archive_and_sheet_can_be_given_one_by_one(raw, tmp_path):
    prepare("breast", [*raw.glob("*.zip"), sheet_in(raw)], tmp_path / "out", progress=False)
    assert entries_of(tmp_path / "out")["case002"]["prompts"]["p2"] == [f"Oval tumor {WHERE}."]


def test_archive_and_sheet_are_fetched(raw, tmp_path, monkeypatch):
    fetch = "monai_vlsm.data.prepare.download.download"
    monkeypatch.setattr(fetch, lambda url, *rest: next(raw.glob(f"*{Path(url).suffix}")))
    main(["prepare", "breast", "--download", "--yes", "--out", str(tmp_path / "out")])
    assert entries_of(tmp_path / "out")["case002"]["prompts"]["p2"] == [f"Oval tumor {WHERE}."]


def test_without_the_sheet_prompts_come_from_the_masks(raw, tmp_path):
    sheet_in(raw).unlink()
    report = prepare("breast", [raw], tmp_path / "out", progress=False)
    assert report.skipped == [("its mask 'case003_tumor' is missing", 1, "case003")]
    assert entries_of(tmp_path / "out")["case001"]["prompts"]["p3"] == [f"One tumor {WHERE}."]


def test_a_tumor_without_its_mask_is_told_and_left_out(raw, tmp_path):
    write_sheet(sheet_in(raw), *BIRADS[:3], (*BIRADS[3][:-1], "benign"), *BIRADS[4:])
    report = prepare("breast", [raw], tmp_path / "out", progress=False)
    assert report.skipped == [("its mask 'case003_tumor' is missing", 1, "case003")]


def test_a_mask_counts_more_than_a_sheet_that_says_normal(raw, tmp_path):
    write_sheet(sheet_in(raw), BIRADS[0], (*BIRADS[1][:-1], "normal"), *BIRADS[2:])
    report = prepare("breast", [raw], tmp_path / "out", progress=False)
    assert sum(report.empty.values()) == 1
    assert entries_of(tmp_path / "out")["case001"]["prompts"]["p2"] == [f"Irregular tumor {WHERE}."]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("CaseID", "Image_filename"), (1, "case001.png")], "has no sheet with the columns Image_filename, Classif"),
        ([*BIRADS, (9, *BIRADS[1][1:4], "oval", *BIRADS[1][5:])], "describes 'case001' twice, and not alike"),
    ],
)
def test_a_sheet_that_cannot_be_meant_is_refused(rows, message, raw, tmp_path):
    write_sheet(sheet_in(raw), *rows)
    with pytest.raises(DataError, match=message):
        prepare("breast", [raw], tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_two_sheets_that_differ_are_refused(raw, tmp_path):
    write_sheet(raw / "old" / sheet_in(raw).name, *BIRADS[:2])
    with pytest.raises(DataError, match="two different files of the source have the name 'BrEaST-Lesions-USG-clin"):
        prepare("breast", [raw], tmp_path / "out", progress=False)


def test_an_archive_beside_what_was_unpacked_from_it_changes_nothing(raw, tmp_path):
    with zipfile.ZipFile(next(raw.glob("*.zip"))) as archive:
        archive.extractall(raw / "unpacked")
    shutil.copy(sheet_in(raw), raw / "unpacked")
    report = prepare("breast", [raw], tmp_path / "out", progress=False)
    assert (sum(report.entries.values()), report.skipped) == (6, [])
