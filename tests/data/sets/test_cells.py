"""Outlines of nuclei: what they are, and what is no outline."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from raw_layouts.drawing import write_sheet
from raw_layouts.nuclei import TEST, TRAINING, monuseg, monuseg_lvit, write_outlines

from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.prepare import PrepareOptions, prepare
from monai_vlsm.data.sets.cells import tcga_patient
from monai_vlsm.errors import DataError

FIRST = TRAINING[0]
BOMB = '<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]><Annotations>&c;</Annotations>'
REGION = '<Region><Vertex X="1" Y="1"/><Vertex X="9" Y="1"/><Vertex X="9" Y="{}"/></Region>'


@pytest.fixture
def raw(tmp_path):
    monuseg(tmp_path / "raw", np.random.default_rng(0))
    return tmp_path / "raw"


@pytest.fixture
def outlines(raw):
    """The outlines of the first image."""
    return next(raw.rglob(f"{FIRST}.xml"))


def prepared(raw):
    return prepare("monuseg", [raw], raw.parent / "out", PrepareOptions("generated"), progress=False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read: no element found"),
        (b"<Annotations><Region>", "cannot be read: no element found"),
        (b"\x00\xff\xfe", "cannot be read: syntax error"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "cannot be read: unknown encoding"),
        (BOMB.encode(), "a document type is not expected"),
        (BOMB.encode("utf-16"), "a document type is not expected"),
        (b"<Annotations/>", "has no outline"),
        (b"<svg>" + REGION.replace("Vertex", "path").encode() + b"</svg>", "has no outline"),
        (REGION.replace(" Y=", " Z=").encode(), "cannot be read: 'Y'"),
        (REGION.format("nine").encode(), "cannot be read: could not convert"),
        (REGION.format("nan").encode(), "do not lie in its 64 x 48 pixels"),
        (REGION.format("1e300").encode(), "do not lie in its 64 x 48 pixels"),
        (REGION.format("900").encode(), "do not lie in its 64 x 48 pixels"),
    ],
)
def test_what_is_no_outline_is_told_and_left_out(content, reason, raw, outlines):
    outlines.write_bytes(content)
    (found,) = prepared(raw).skipped
    assert reason in found[0]
    assert found[1:] == (1, FIRST)


def test_an_image_without_outlines_is_told_and_left_out(raw, outlines):
    outlines.unlink()
    assert prepared(raw).skipped == [(f"the outlines of its nuclei '{FIRST}.xml' are missing", 1, FIRST)]


def test_an_outline_that_leads_beyond_the_image_is_cut(raw, outlines):
    write_outlines(outlines, [[(-3, -3), (3, -3), (3, 3), (-3, 3)]])
    assert prepared(raw).skipped == []


def test_an_image_of_training_and_another_of_the_test_never_share_a_name(raw):
    other = next(raw.rglob(f"{TRAINING[1]}.tif"))
    shutil.copy(other, raw / "MoNuSegTestData" / f"{FIRST}.tif")
    with pytest.raises(DataError, match="two different files of the source would become"):
        prepared(raw)


def test_nuclei_are_counted_in_the_plural_and_have_no_place(raw):
    prepared(raw)
    prompts = load_splits(raw.parent / "out")["test"][0]["prompts"]
    assert prompts["p1"] == ["cell nuclei"]
    assert prompts["p6"] == prompts["p5"] == ["three small irregular cell nuclei"]


def test_sheets_of_lvit_beside_the_archives_give_its_sentences_and_its_split(raw, tmp_path):
    monuseg_lvit(tmp_path / "lvit", np.random.default_rng(0))
    for path in (tmp_path / "lvit").rglob("*.xlsx"):
        shutil.copy(path, raw)
    assert prepared(raw).skipped == []
    splits = load_splits(tmp_path / "out")
    assert {Path(entry["label"]).stem for entry in splits["validation"]} == set(TRAINING[2:])
    stem = Path(splits["test"][0]["label"]).stem
    assert splits["test"][0]["prompts"] == {"p0": [""], "p1": ["cell nuclei"], "p2": [f"purple nuclei of {stem}"]}


def test_an_image_that_lvit_has_no_sentence_of_is_told_and_left_out(raw):
    write_sheet(raw / "Train_text.xlsx", ("Image", "Description"), *((f"{s}.png", "nuclei") for s in TRAINING[1:]))
    write_sheet(raw / "Test_text.xlsx", ("Image", "Description"), *((f"{s}.png", "nuclei") for s in TEST))
    assert prepared(raw).skipped == [("it has no sentence in the sheets of its split", 1, FIRST)]


@pytest.mark.parametrize(
    ("name", "patient"),
    [("TCGA-18-5592-01Z-00-DX1", "TCGA-18-5592"), ("0TCGA-2Z-A9J9-01A", "TCGA-2Z-A9J9"), ("17", "")],
)
def test_a_patient_is_the_beginning_of_a_name_of_tcga(name, patient):
    assert tcga_patient(name) == patient
