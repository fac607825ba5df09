"""Tests of commands/new_bundle.py."""

import shlex

import numpy as np
import pytest
from PIL import Image

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError


@pytest.fixture
def polyps(tmp_path):
    """Six pictures with masks, in a folder with a space in its name."""
    folder = tmp_path / "my data"
    for number in range(6):
        picture = np.random.default_rng(number).integers(0, 256, (16, 20), dtype=np.uint8)
        for kind, values in (("images", picture), ("masks", np.where(picture > 250, 255, 0).astype(np.uint8))):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(folder / kind / f"{number}.png")
    return folder


def new_bundle(folder, *options, name="mine"):
    return main(["new-bundle", name, "--images", str(folder / "images"), "--masks", str(folder / "masks"), *options])


def test_two_commands_later_there_is_a_checked_data_set_beside_the_images(polyps, monkeypatch, capsys):
    new_bundle(polyps, "--class-name", "polyp")
    monkeypatch.chdir(polyps)
    assert main(["check", "data/mine"]) == 0
    assert "groups: not known" in capsys.readouterr().out


def test_what_to_type_next_is_printed(polyps, capsys):
    new_bundle(polyps, "--class-name", "sessile polyp")
    *_, change, check, train, evaluate, report, predict = [
        line.strip() for line in capsys.readouterr().out.splitlines() if line
    ]
    assert change == f"cd {shlex.quote(str(polyps))}"
    assert check == "python -m monai_vlsm check data/mine"
    assert train == "python -m monai.bundle run training --config_file bundles/mine/configs/train.json"
    assert "['bundles/mine/configs/train.json','bundles/mine/configs/evaluate.json']" in evaluate
    assert report == "python -m monai_vlsm report mine"
    assert predict == "python -m monai_vlsm predict images --bundle mine --prompt 'sessile polyp' --out found"


def test_the_table_counts_images_and_names_what_was_skipped(polyps, capsys):
    (polyps / "masks" / "3.png").unlink()
    new_bundle(polyps, "--class-name", "polyp")
    printed = capsys.readouterr().out
    counted = [
        int(line.split()[1]) for line in printed.splitlines() if line.startswith(("training", "validat", "test"))
    ]
    assert sum(counted) == 5
    assert "size in pixels: 20 x 16" in printed
    assert "skipped: no mask of their name: 1: 3.png" in printed


def test_a_second_run_says_that_all_is_there(polyps, capsys):
    new_bundle(polyps, "--class-name", "polyp")
    capsys.readouterr()
    new_bundle(polyps, "--class-name", "polyp")
    assert "all is there already" in capsys.readouterr().out


def test_another_folder_can_be_chosen(polyps, tmp_path):
    new_bundle(polyps, "--class-name", "polyp", "--out", str(tmp_path / "other"))
    assert (tmp_path / "other" / "bundles" / "mine" / "configs" / "train.json").is_file()
    assert sorted(path.name for path in polyps.iterdir()) == ["images", "masks"]


@pytest.mark.parametrize("options", [[], ["--class-name", "polyp", "--classes", "1=polyp"]])
def test_one_class_or_a_label_map_but_not_both(polyps, options, capsys):
    with pytest.raises(SystemExit):
        new_bundle(polyps, *options)
    assert "--class-name" in capsys.readouterr().err


def test_an_empty_class_name_is_refused(polyps):
    with pytest.raises(DataError, match="--class-name"):
        new_bundle(polyps, "--class-name", " ")
