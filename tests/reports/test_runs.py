"""Tests of runs that are read again; they may come from anybody."""

import json
import os

import numpy as np
import pytest
from reports.tables import SETTINGS, rows_of, scores, write_run, write_table

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.reports.runs import Case, read_run


def test_a_run_is_read_as_it_was_written(tmp_path):
    run = read_run(write_run(tmp_path / "run", [0.5, 0.7], hd95=[1.5, "nan"], metrics=("dice", "hd95")))
    assert run.settings.items() >= SETTINGS.items()
    assert run.cases[1] == Case("images/1.png", "masks/1.png", "breast tumor")
    np.testing.assert_array_equal(run.metrics["dice"], [0.5, 0.7])
    np.testing.assert_array_equal(run.metrics["hd95"], [1.5, np.nan])


def test_scores_of_the_output_are_no_metrics(tmp_path):
    table = write_table(tmp_path / "a.csv", rows_of([0.5, 0.7], presence=[0.5, ""], look=["True", "False"]))
    assert set(read_run(table).metrics) == {"dice"}


def test_a_table_alone_has_no_settings(tmp_path):
    assert read_run(write_table(tmp_path / "per_image.csv", rows_of([0.5, 0.7]))).settings == {}


def test_the_table_of_a_folder_brings_its_summary(tmp_path):
    write_run(tmp_path / "run", [0.5, 0.7])
    assert read_run(tmp_path / "run" / "per_image.csv").settings["split"] == "test"


def test_a_table_of_an_older_version_has_no_groups(tmp_path):
    assert read_run(write_run(tmp_path / "run", [0.5, 0.7], group=None)).groups is None


def test_a_table_that_excel_saved_is_read(tmp_path):
    table = write_table(tmp_path / "a.csv", rows_of([0.5, 0.7]))
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(read_run(table).rows) == 2


def test_cases_do_not_depend_on_where_the_data_lie(tmp_path):
    here, there = (
        read_run(write_run(tmp_path / name, [0.5, 0.7], data=data))
        for name, data in (("a", "/data/busi"), ("b", "/home/somebody/sets/busi"))
    )
    assert here.cases == there.cases


def test_an_absent_target_has_no_mask_file_and_no_score(tmp_path):
    run = read_run(write_run(tmp_path / "run", [0.5, 1.0], label=["/data/busi/masks/0.png", ""]))
    assert run.cases[1].label == ""
    assert np.isnan(run.metrics["dice"][1]), "what was asked in vain is no metric of the data set"


@pytest.mark.parametrize("missing", ["image", "label", "prompt", "label_pixels", "pred_pixels"])
def test_a_missing_column_is_named(tmp_path, missing):
    with pytest.raises(DataError, match=f"'{missing}' missing: is it the table of an evaluation"):
        read_run(write_table(tmp_path / "a.csv", rows_of([0.5, 0.7], **{missing: None})))


def test_a_table_without_metrics_is_refused(tmp_path):
    with pytest.raises(DataError, match="expected a metric such as 'dice'"):
        read_run(write_table(tmp_path / "a.csv", [dict(list(row.items())[:-1]) for row in rows_of([0.5, 0.7])]))


@pytest.mark.parametrize(
    "value", ["", "high", "inf", "-inf", "1e308", "9" * 5000, "1e999", "0.5;", "=1+1", "0x1", "1_0e9"]
)
def test_a_value_that_is_no_score_is_named(tmp_path, value):
    with pytest.raises(DataError, match=r"a\.csv', row 3, column 'dice': expected a number up to 1e\+09"):
        read_run(write_table(tmp_path / "a.csv", rows_of([0.5, value, 0.7])))


@pytest.mark.parametrize("value", ["", "-1", "1.5", "nan", "9" * 5000, "²"])
def test_a_number_of_pixels_that_is_none_is_named(tmp_path, value):
    with pytest.raises(DataError, match="row 2, column 'label_pixels': expected a number of pixels"):
        read_run(write_table(tmp_path / "a.csv", rows_of([0.5, 0.7], label_pixels=[value, 3])))


def test_a_case_that_is_there_twice_is_named(tmp_path):
    rows = rows_of([0.5, 0.7, 0.6])
    with pytest.raises(DataError, match=r"'images/1\.png' is there twice with the mask 'masks/1\.png'"):
        read_run(write_table(tmp_path / "a.csv", [*rows, rows[1]]))


def test_a_group_column_that_is_half_filled_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a group in each row of .* or in none, but 2 of 3 have none"):
        read_run(write_run(tmp_path / "run", [0.5, 0.7, 0.6], group=["patient 1", "", ""]))


def test_a_table_of_another_run_does_not_pass_beside_a_summary(tmp_path):
    folder = write_run(tmp_path / "run", scores())
    write_table(folder / "per_image.csv", rows_of(scores(seed=1)))
    with pytest.raises(DataError, match=r"and the summary\.json beside it are of two runs"):
        read_run(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"images": 3},
        {"images": None},
        {"metrics": None},
        {"metrics": {"dice": None}},
        {"metrics": {"dice": {"mean": "0.6"}}},
        {"metrics": {"dice": {"mean": 1e400}}},
        {"metrics": {"dice": {"mean": 10**400}}},
        {"metrics": {"iou": {"mean": 0.6}}},
    ],
)
def test_a_summary_that_does_not_fit_is_refused(tmp_path, change):
    folder = write_run(tmp_path / "run", [0.5, 0.7])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**summary, **change}))
    with pytest.raises(DataError, match="are of two runs"):
        read_run(folder)


def test_a_folder_without_a_summary_is_of_an_evaluation_that_did_not_end(tmp_path):
    folder = write_run(tmp_path / "run", [0.5, 0.7])
    (folder / "summary.json").unlink()
    with pytest.raises(MissingFileError, match=r"summary\.json': the evaluation did not end"):
        read_run(folder)


@pytest.mark.parametrize("name", ["none", "none.csv", "run/per_image.csv/below"])
def test_a_run_that_is_not_there_is_named(tmp_path, name):
    write_run(tmp_path / "run", [0.5, 0.7])
    with pytest.raises(MissingFileError, match=r"name the folder of a finished evaluation"):
        read_run(tmp_path / name)


WHOLE = "image,label,group,prompt,label_pixels,pred_pixels,dice\na,b,,p,1,1,0.5\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "'image', 'label', 'prompt', 'label_pixels', 'pred_pixels' missing"),
        (WHOLE.splitlines()[0].encode(), "expected a row for each case"),
        (WHOLE[:-6].encode(), "row 2: expected 7 values, got 6"),
        (WHOLE.replace("dice", "dice,dice").encode(), "a plain name each in .*, got the column 'dice'"),
        (WHOLE.replace("dice", "=HYPERLINK()").encode(), "got the column '=HYPERLINK"),
        (WHOLE.replace("dice", ",".join(f"m{number}" for number in range(100))).encode(), "got 106 columns"),
        (WHOLE.encode("utf-16"), "in UTF-8"),
        (WHOLE.replace(",p,", ',"p,').encode(), "unexpected end of data"),
        (WHOLE.replace(",p,", f",{'p' * 200_000},").encode(), "field larger than field limit"),
        (WHOLE.replace("a,b", ",b").encode(), "got a row without"),
        (os.urandom(4096), "expected"),
    ],
)
def test_a_broken_table_is_told_apart(tmp_path, content, told):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=told):
        read_run(tmp_path / "a.csv")


def test_a_table_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("monai_vlsm.reports.runs.MOST_BYTES", 1000)
    with pytest.raises(DataError, match="more than 1,000 bytes"):
        read_run(write_table(tmp_path / "a.csv", rows_of([0.5] * 100)))


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")], ids=["pipe", "link"])
def test_what_is_no_plain_file_is_not_opened(tmp_path, make):
    make(tmp_path / "per_image.csv")
    with pytest.raises(DataError, match=r"is no plain file|is a link"):
        read_run(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1, "a": 2}', "[" * 100_000, '{"a": NaN'])
def test_a_summary_that_is_no_json_is_named(tmp_path, content):
    folder = write_run(tmp_path / "run", [0.5, 0.7])
    (folder / "summary.json").write_text(content)
    with pytest.raises(DataError, match=r"summary\.json'"):
        read_run(folder)
