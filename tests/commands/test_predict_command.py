"""``python -m monai_vlsm predict``: what is given on the command line is text, never an expression of MONAI."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from calibration.documents import DOCUMENT, give_calibration
from monai.bundle import ConfigParser
from PIL import Image

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import as_literal
from monai_vlsm.bundle import open as bundle_open
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predictor import Predictor

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
ODD = ("$1/0", "%stenosis", "@prompt", "a @ b", "50 %#1 @#2", "1::2", "it's \"\\@\\\\%", "$import os", "ü\n")


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    """A trained bundle in the current folder, under a name that MONAI would evaluate."""
    monkeypatch.chdir(tmp_path)
    folder = Path("$bundle")
    shutil.copytree(BUNDLES / "phantom", folder, ignore=shutil.ignore_patterns("eval", "models"))
    (folder / "models").mkdir()
    torch.manual_seed(0)
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, folder / "models" / "model.pt")
    return folder


def write_picture(path: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)).save(path)


@pytest.mark.parametrize("text", ODD)
def test_a_literal_is_the_text_itself_for_monai(text):
    parser = ConfigParser({"prompt": as_literal(text), "images": as_literal([text, "b"]), "net": {"prompt": "@prompt"}})
    assert parser.get_parsed_content("net") == {"prompt": text}
    assert parser.get_parsed_content("images") == [text, "b"]


@pytest.mark.parametrize("prompt", ["%stenosis", "$x"])
def test_prompts_and_file_names_are_not_evaluated(bundle, prompt):
    write_picture("@image.png")
    main(["predict", "@image.png", "--bundle", str(bundle), "--prompt", prompt, "--out", "%masks"])
    predictor = Predictor.from_bundle(bundle, device="cpu").set_image("@image.png")
    (written,) = Path("%masks").glob("*image*.png")
    mask = np.asarray(Image.open(written)) > 0
    np.testing.assert_array_equal(mask, predictor.predict(prompt).mask)


def test_a_pattern_is_not_evaluated(bundle):
    write_picture("$1.png")
    main(["predict", "$*.png", "--bundle", str(bundle)])
    assert len(list(Path("masks").glob("*1*.png"))) == 1


@pytest.mark.parametrize(
    "load",
    [
        lambda bundle, backbone: main(["predict", "image.png", "--bundle", str(bundle), "--backbone", backbone]),
        lambda bundle, backbone: Predictor.from_bundle(bundle, backbone=backbone),
    ],
    ids=["command", "predictor"],
)
def test_a_backbone_is_not_evaluated(bundle, tmp_path, load):
    write_picture("image.png")
    with pytest.raises(MissingFileError, match=r"the backbone .*\$open"):
        load(bundle, f"$open({str(tmp_path / 'ran')!r}, 'w').close()")
    assert not (tmp_path / "ran").exists()


def test_a_bundle_is_found_by_its_name(bundle):
    Path("bundles").mkdir()
    bundle.rename("bundles/phantom")
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", "phantom"])
    assert Path("masks/image_mask.png").is_file()


def test_a_bundle_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=str(tmp_path / "bundles" / "nothing")):
        main(["predict", "image.png", "--bundle", "nothing"])


def hostile_texts(ran: Path) -> dict[str, str]:
    """What runs code when MONAI reads it, by name in the folder of configurations."""
    code = f"$open({str(ran)!r}, 'w').close()"
    return {
        "inference.json": json.dumps({"run": [code], "initialize": [code], "imports": [code], "prompt": code}),
        "train.json": json.dumps({"imports": [code]}),
        "metadata.json": json.dumps({"task": code}),
        "logging.conf": f"[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n"
        f"[handler_h]\nclass=FileHandler\nargs=({str(ran)!r},)\n",
    }


def test_what_was_checked_is_what_is_run(bundle, tmp_path, monkeypatch):
    """Files that change after they were read do not matter: there is no second reading."""
    read = bundle_open.read_without_foreign_code

    def swap_after_reading(path):
        config = read(path)
        for name, text in hostile_texts(tmp_path / "ran").items():
            (Path(path).parent / name).write_text(text)
        return config

    monkeypatch.setattr(bundle_open, "read_without_foreign_code", swap_after_reading)
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", str(bundle)])
    assert Path("masks/image_mask.png").is_file()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["train.json", "metadata.json", "logging.conf"])
def test_files_that_prediction_does_not_need_are_not_used(bundle, tmp_path, name):
    (bundle / "configs" / name).write_text(hostile_texts(tmp_path / "ran")[name])
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", str(bundle)])
    assert not (tmp_path / "ran").exists()


def test_python_does_not_look_for_modules_in_a_bundle(bundle):
    write_picture("image.png")
    before = list(sys.path)
    main(["predict", "image.png", "--bundle", str(bundle)])
    assert sys.path == before


@pytest.mark.parametrize("link", [False, True], ids=["file", "link"])
def test_a_python_module_in_a_bundle_is_refused(bundle, tmp_path, link):
    module = bundle / "models" / "nibabel.py"
    if link:
        (tmp_path / "elsewhere.py").write_text("")
        module.symlink_to(tmp_path / "elsewhere.py")
    else:
        module.write_text("")
    with pytest.raises(DataError, match=r"nibabel\.py"):
        main(["predict", "image.png", "--bundle", str(bundle)])


def test_a_trusted_bundle_is_run_as_it_is(bundle, tmp_path):
    config = json.loads((bundle / "configs" / "inference.json").read_text())
    config["run"].append(f"$open({str(tmp_path / 'ran')!r}, 'w').close()")
    (bundle / "configs" / "inference.json").write_text(json.dumps(config))
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", str(bundle), "--trust"])
    assert (tmp_path / "ran").exists()


def mask_of(bundle: Path, *options: str) -> np.ndarray:
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", str(bundle), "--out", "masks", *options])
    return np.asarray(Image.open("masks/image_mask.png")) > 0


def test_a_mask_below_the_calibrated_cut_is_empty_and_that_is_said(bundle, capsys):
    part = {**DOCUMENT["presence"], "threshold": 1.0}
    give_calibration(bundle, presence=part)
    assert not mask_of(bundle, "--threshold", "0").any()
    assert re.search(r"image\.png: '.+' is probably not there \(presence 0\.", capsys.readouterr().out)


@pytest.mark.parametrize(("least", "some"), [("0", True), ("1", False)])
def test_a_least_presence_on_the_command_line_counts_before_the_calibration(bundle, least, some):
    give_calibration(bundle, presence={**DOCUMENT["presence"], "threshold": 1.0})
    assert mask_of(bundle, "--threshold", "0", "--min-presence", least).any() == some


def test_a_word_is_the_threshold_of_the_calibration(bundle):
    give_calibration(bundle)
    found = mask_of(bundle, "--threshold", "risk_control")
    predictor = Predictor.from_bundle(bundle, device="cpu").set_image("image.png")
    prompt = json.loads((bundle / "configs" / "inference.json").read_text())["prompt"]
    np.testing.assert_array_equal(found, predictor.predict(prompt, 0.2, min_presence=0).mask)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "best_dice"], "takes a calibration of this model, which has none yet"),
        (["--threshold", "$1/0"], "'threshold' must be a number from 0 to 1"),
        (["--threshold", "nan"], "'threshold' must be a number from 0 to 1"),
        (["--min-presence", "2"], "'min_presence' must be a number from 0 to 1"),
    ],
)
def test_values_that_cannot_be_are_told_in_one_message(bundle, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        mask_of(bundle, *options)
    assert not Path("masks").exists()


def test_a_calibration_of_another_checkpoint_is_refused(bundle):
    give_calibration(bundle, checkpoint_sha256="0" * 64)
    with pytest.raises(DataError, match="made for another checkpoint"):
        mask_of(bundle)
