"""``python -m monai_vlsm prompts``: with a network, and with what cannot be used."""

from __future__ import annotations

import csv
import json

import openpyxl
import pytest
from reports.small_bundle import write_bundle, write_data

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import CLIPSegDenseAdapter


@pytest.fixture
def data(tmp_path):
    return write_data(tmp_path / "data")


@pytest.fixture(scope="module")
def state():
    return CLIPSegDenseAdapter("tiny").state_dict()


@pytest.fixture
def bundle(tmp_path, state):
    return write_bundle(tmp_path / "bundles" / "busi", state)


@pytest.fixture
def run(data, tmp_path):
    def run(bundle, *arguments):
        given = ["--dataset-dir", str(data), "--backbone", "tiny", "--out", str(tmp_path / "out"), *arguments]
        return main(["prompts", str(bundle), *given])

    return run


def write_sheet(path, rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_a_bundle_is_asked(run, bundle, tmp_path, capsys):
    sheet = write_sheet(
        tmp_path / "mine.xlsx", [("Image", "Description", "Ground Truth"), ("0.png", "a tumor", "0.png")]
    )
    assert run(bundle, "--cases", "2", "--pictures", "1", "--variant", f"mine={sheet}") == 0
    out = tmp_path / "out"
    with (out / "per_prompt.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((out / "summary.json").read_text())
    assert {row["image"][-5:] for row in rows} == {"0.png", "1.png"}
    assert summary["groups"]["mine"]["cases"] == 1
    assert (summary["full_prompt"], summary["cases"]) == ("p1", 2)
    assert "--variant mine=" in (out / "index.html").read_text(encoding="utf-8")
    assert f"written to {out}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--cases", "0"], DataError, "expected 1 case or more"),
        (["--pictures", "-1"], DataError, "0 pictures or more"),
        (["--prompt-level", "p9"], DataError, "prompt level 'p9' is not in the datalist entry"),
        (["--split", "tset"], DataError, "expected a split out of"),
        (["--variant", "mine"], DataError, "expected --variant NAME=FILE"),
        (["--variant", "a=x.xlsx", "--variant", "a=y.xlsx"], MissingFileError, "there is no file with prompts"),
        (["--dataset-dir", "nowhere"], MissingFileError, "expected the data set in the folder"),
    ],
)
def test_what_cannot_be_asked_is_named_and_nothing_is_written(run, bundle, tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        run(bundle, *arguments)
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_is_not_there_is_named(run, tmp_path):
    with pytest.raises(MissingFileError, match="there is no bundle in"):
        run(tmp_path / "nothing")


def test_a_bundle_without_a_model_is_named(run, tmp_path):
    with pytest.raises(MissingFileError, match=r"model\.pt"):
        run(write_bundle(tmp_path / "bundles" / "untrained"))


def test_a_split_without_entries_is_named(run, bundle, data):
    content = json.loads((data / "datalist.json").read_text())
    (data / "datalist.json").write_text(json.dumps({**content, "test": []}))
    with pytest.raises(DataError, match="expected entries in split 'test', but it is empty"):
        run(bundle)


def test_a_folder_that_holds_something_is_left_alone(run, bundle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(DataError, match="expected --out to be a new folder"):
        run(bundle)


@pytest.mark.parametrize("content", [b"", b"no sheet", b"PK\x03\x04 damaged"])
def test_a_damaged_sheet_is_named(run, bundle, tmp_path, content):
    (tmp_path / "mine.xlsx").write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.xlsx' cannot be read as a sheet"):
        run(bundle, "--variant", f"mine={tmp_path / 'mine.xlsx'}")


def test_a_sheet_with_other_columns_is_named(run, bundle, tmp_path):
    sheet = write_sheet(tmp_path / "mine.xlsx", [("image", "text"), ("0.png", "a tumor")])
    with pytest.raises(DataError, match="has no sheet with the columns Image, Description"):
        run(bundle, "--variant", f"mine={sheet}")


def test_the_sentences_of_medclipseg_are_named_and_p2_is_the_full_prompt(run, bundle, data, tmp_path):
    content = json.loads((data / "datalist.json").read_text())
    content["description"] = "monai_vlsm busi, prompts medclipseg, split published, seed 0, locations width"
    for entry in content["test"]:
        entry["prompts"] |= {"p2": ["one tumor"], "p6": ["breast is normal"]}
    (data / "datalist.json").write_text(json.dumps(content))
    run(bundle, "--cases", "1", "--pictures", "0")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["full_prompt"] == "p2"
    assert "contradictory" in summary["groups"]
