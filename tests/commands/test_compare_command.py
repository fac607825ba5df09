"""Tests of commands/compare.py: the table on the screen, and the folder with differences and pictures."""

import os

import numpy as np
import pytest
from PIL import Image
from reports.tables import everything, scores, write_run

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError, MissingFileError


@pytest.fixture
def runs(tmp_path):
    """Two runs on four images that are there, of which the first run kept one overlay."""
    data = tmp_path / "data"
    for kind in ("images", "masks", "a/overlays"):
        (data / kind if kind != "a/overlays" else tmp_path / kind).mkdir(parents=True)
    for number in range(4):
        Image.fromarray(np.full((30, 40, 3), 60 * number, np.uint8)).save(data / "images" / f"{number}.png")
        Image.fromarray(np.tri(30, 40, dtype=np.uint8) * 255).save(data / "masks" / f"{number}.png")
    Image.new("RGB", (30, 40), "red").save(tmp_path / "a" / "overlays" / "000_0.png")
    dice = {"a": [0.5, 0.6, 0.7, 0.8], "b": [0.9, 0.4, 0.7, 0.8]}
    return [str(write_run(tmp_path / name, values, data=data)) for name, values in dice.items()]


def page_of(folder):
    return (folder / "index.html").read_text(encoding="utf-8")


def test_the_table_is_printed_and_nothing_written(runs, tmp_path, capsys):
    before = everything(tmp_path)
    assert main(["compare", *runs]) == 0
    assert "dice" in capsys.readouterr().out
    assert everything(tmp_path) == before


def test_differences_and_page_are_written(runs, tmp_path, capsys):
    assert main(["compare", *runs, "--out", str(tmp_path / "out")]) == 0
    assert sorted(os.listdir(tmp_path / "out")) == ["differences.csv", "index.html"]
    assert f"written to {tmp_path / 'out'}" in capsys.readouterr().out


def test_the_page_shows_what_each_run_kept_and_the_annotation_where_it_kept_none(runs, tmp_path):
    main(["compare", *runs, "--out", str(tmp_path / "out")])
    page = page_of(tmp_path / "out")
    assert page.index("images/0.png: breast tumor") < page.index("images/1.png: breast tumor")
    assert "images/2.png: " not in page, "equal cases are none that differ"
    assert page.count("<img") == 3
    assert "A: dice 0.500</figcaption>" in page
    assert "annotation; no prediction was kept. B: dice 0.900" in page
    assert "annotation; no prediction was kept. A: dice 0.600; B: dice 0.400" in page


@pytest.mark.parametrize("cases", [0, 1])
def test_no_more_cases_are_shown_than_asked(runs, tmp_path, cases):
    main(["compare", *runs, "--out", str(tmp_path / "out"), "--cases", str(cases)])
    assert page_of(tmp_path / "out").count("<h3") == cases


def test_the_page_does_without_images_that_are_elsewhere(runs, tmp_path):
    (tmp_path / "data").rename(tmp_path / "moved")
    main(["compare", *runs, "--out", str(tmp_path / "out")])
    page = page_of(tmp_path / "out")
    assert page.count("<img") == 1
    assert "A: dice 0.600; B: dice 0.400. No picture: the image is not on this machine." in page


def test_equal_runs_have_no_cases_to_show(runs, tmp_path):
    main(["compare", runs[0], runs[0], "--out", str(tmp_path / "out")])
    assert "All runs have the same dice in every case." in page_of(tmp_path / "out")


def test_texts_of_a_stranger_stay_texts(tmp_path):
    evil = ["<script>alert(1)</script>", "b", "c"]
    for name, seed in (("a", 0), ("b", 1)):
        write_run(tmp_path / name, scores(3, seed), prompt=evil, settings={"model": evil[0], "split": "test"})
    main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "out")])
    assert "<script" not in page_of(tmp_path / "out")


@pytest.mark.parametrize(
    ("break_it", "error"),
    [
        (lambda folder: (folder / "b" / "per_image.csv").unlink(), MissingFileError),
        (lambda folder: (folder / "b" / "per_image.csv").write_text("image,dice\n"), DataError),
        (lambda folder: (folder / "a" / "overlays" / "000_0.png").write_bytes(b"no picture"), DataError),
    ],
    ids=["missing", "columns", "overlay"],
)
def test_an_error_leaves_nothing_behind(runs, tmp_path, break_it, error):
    break_it(tmp_path)
    before = everything(tmp_path)
    with pytest.raises(error):
        main(["compare", *runs, "--out", str(tmp_path / "new" / "out")])
    assert everything(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_is_left_alone(runs, tmp_path):
    before = everything(tmp_path)
    with pytest.raises(DataError, match="expected --out to be a new folder"):
        main(["compare", *runs, "--out", runs[0]])
    assert everything(tmp_path) == before


def test_a_negative_number_of_cases_is_refused(runs):
    with pytest.raises(DataError, match="got --cases -1"):
        main(["compare", *runs, "--cases", "-1"])
