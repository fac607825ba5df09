"""Lists of names that are missing, damaged or contradict each other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_layouts import LAYOUTS, OTHER_FORMS

from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.prepare import PrepareOptions, prepare
from monai_vlsm.errors import DataError

FOLD = "tn3k-trainval-fold0.json"


@pytest.fixture
def instruments(tmp_path):
    OTHER_FORMS["kvasir_instrument, Kaggle"](tmp_path / "raw", np.random.default_rng(0))
    return tmp_path / "raw" / "kvasir-instrument"


@pytest.fixture
def thyroid(tmp_path):
    LAYOUTS["tn3k"](tmp_path / "raw", np.random.default_rng(0))
    return tmp_path / "raw" / "Thyroid Dataset" / "tn3k"


def prepared(source: Path, name: str):
    return prepare(name, [source], source.parent / "out", PrepareOptions("generated"), progress=False)


def names(source: Path, split: str) -> set[str]:
    return {Path(entry["label"]).stem for entry in load_splits(source.parent / "out")[split]}


def test_the_lists_are_the_split(instruments):
    prepared(instruments, "kvasir_instrument")
    assert names(instruments, "test") == {"ckcu6ty", "ckcu7ty"}


def test_an_image_that_no_list_names_is_told_and_left_out(instruments):
    (instruments / "test.txt").write_text("ckcu7ty\n")
    report = prepared(instruments, "kvasir_instrument")
    assert report.skipped == [("train.txt and test.txt: it is not named", 1, "ckcu6ty")]


def test_a_name_without_an_image_is_told(instruments):
    with (instruments / "test.txt").open("a") as file:
        file.write("../../ckcu99ty.jpg\n\x00\n")
    report = prepared(instruments, "kvasir_instrument")
    assert report.skipped == [("train.txt and test.txt: its image is missing", 2, "ckcu99ty")]


def test_a_name_in_two_lists_is_refused(instruments):
    shutil.copy(instruments / "train.txt", instruments / "test.txt")
    with pytest.raises(DataError, match=r"train\.txt and test\.txt: 'ckcu0ty' is in two splits"):
        prepared(instruments, "kvasir_instrument")


@pytest.mark.parametrize("content", [b"", b"\xff\x00\xfe" * 99, b"cju1\ncju2\n"])
def test_lists_of_other_names_are_refused(content, instruments):
    (instruments / "test.txt").write_bytes(content)
    (instruments / "train.txt").write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the \d+ names is one of the 8 images"):
        prepared(instruments, "kvasir_instrument")


@pytest.mark.parametrize("missing", ["train.txt", "test.txt"])
def test_without_its_lists_nothing_is_taken_for_instruments(missing, instruments):
    """The folders of Kvasir-SEG have the same names."""
    (instruments / missing).unlink()
    with pytest.raises(DataError, match=r"nothing of Kvasir-Instrument .*train\.txt, test\.txt"):
        prepared(instruments, "kvasir_instrument")


def test_an_instrument_without_a_mask_is_told_and_left_out(instruments):
    (instruments / "masks" / "masks" / "ckcu0ty.png").unlink()
    assert prepared(instruments, "kvasir_instrument").skipped == [("its mask 'ckcu0ty' is missing", 1, "ckcu0ty")]


def test_two_different_lists_of_one_name_are_refused(instruments):
    (instruments / "masks" / "train.txt").write_text("ckcu7ty\n")
    with pytest.raises(DataError, match="two different files of the source have the name 'train'"):
        prepared(instruments, "kvasir_instrument")


def test_fold_0_of_tn3k_is_its_validation(thyroid):
    prepared(thyroid, "tn3k")
    assert names(thyroid, "validation") == {"trainval_0000", "trainval_0006", "trainval_0007"}
    assert names(thyroid, "test") == {"test_0000", "test_0001"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2]",
        "[" * 100_000,
        '{"train": [1, 2]}',
        '{"train": ["one"], "val": [2]}',
        '{"train": 1, "val": [2]}',
        '{"train": [1.5], "val": [2]}',
        "\x00",
    ],
    ids=range(8),
)
def test_a_damaged_fold_is_named(content, thyroid):
    (thyroid / FOLD).write_text(content)
    with pytest.raises(DataError, match=rf"{FOLD}' is not what its makers published"):
        prepared(thyroid, "tn3k")


def test_a_fold_that_trains_on_its_validation_is_refused(thyroid):
    (thyroid / FOLD).write_text(json.dumps({"train": [0, 1, 2], "val": [2, 3]}))
    with pytest.raises(DataError, match="'trainval_0002' is in two splits"):
        prepared(thyroid, "tn3k")


def test_a_mask_of_the_test_is_none_of_training(thyroid):
    (thyroid / "trainval-mask" / "0001.jpg").unlink()
    assert prepared(thyroid, "tn3k").skipped == [("its mask '0001' is missing", 1, "trainval_0001")]


def test_a_gray_jpeg_is_no_mask(thyroid):
    Image.new("L", (64, 48), 100).save(thyroid / "test-mask" / "0001.jpg")
    (found,) = prepared(thyroid, "tn3k").skipped
    assert "mask '0001.jpg' cannot be used: its brightest value is 100" in found[0]
