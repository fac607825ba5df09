"""Tests of the pictures of the worst and best cases."""

from __future__ import annotations

import numpy as np
import pytest
from reports.small_bundle import write_evaluation
from reports.tables import write_run

from monai_vlsm.data import load_datalist
from monai_vlsm.errors import DataError
from monai_vlsm.reports.bundle_facts import read_bundle
from monai_vlsm.reports.cases import draw_cases, extremes
from monai_vlsm.reports.runs import read_run


def test_extremes_are_the_lowest_and_the_highest_of_those_that_show_the_target(tmp_path):
    dice = [0.5, 0.0, 0.9, 0.1, 0.7, float("nan")]
    run = read_run(write_run(tmp_path / "run", dice, label_pixels=[5, 0, 5, 5, 5, 5]))
    assert extremes(run, 1) == {"worst": [3], "best": [2]}
    assert extremes(run, 6) == {"worst": [3, 0], "best": [2, 4]}


def test_no_case_that_shows_the_target_gives_no_extremes(tmp_path):
    assert extremes(read_run(write_run(tmp_path / "run", [1.0], label_pixels=[0])), 3) == {"worst": [], "best": []}


def drawn(bundle, data, run, rows=(1,)):
    entries = load_datalist(data, "test")
    return draw_cases(read_bundle(bundle), read_run(run), entries, {"shown": rows}, "tiny")["shown"]


def test_a_case_is_drawn_with_its_annotation_and_told(bundle, data):
    picture = drawn(bundle, data, write_evaluation(bundle, data))[0]
    assert picture.pixels.dtype == np.uint8
    assert (picture.pixels == (64, 220, 96)).all(axis=-1).any(), "no green outline"
    assert picture.caption.startswith("1.png, 'breast tumor'\nDice 0.200")


def test_a_mask_that_is_not_that_of_the_run_says_so(bundle, data):
    run = write_evaluation(bundle, data, pred_pixels=[40 * 32 + 999] * 4)
    assert "The run had a mask of 2,279 pixels" in drawn(bundle, data, run)[0].caption


def test_a_moved_data_set_is_found_by_the_names_of_its_files(bundle, data, tmp_path):
    run = write_evaluation(bundle, tmp_path / "elsewhere")
    assert len(drawn(bundle, data, run, range(4))) == 4


def test_a_file_that_is_not_in_the_data_set_is_not_opened(bundle, data, tmp_path):
    secret = data / "images" / "secret.png"
    secret.write_bytes((data / "images" / "0.png").read_bytes())
    run = write_evaluation(
        bundle, data, image=[str(secret)] * 4, label=[str(data / "masks" / "0.png")] * 4, prompt=list("abcd")
    )
    with pytest.raises(DataError, match=r"secret\.png', which is not in the data set"):
        drawn(bundle, data, run)
