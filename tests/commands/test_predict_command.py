"""``python -m monai_vlsm predict``: what is given on the command line is text, never an expression of MONAI."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import as_literal
from monai_vlsm.errors import find_message
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
    with pytest.raises(RuntimeError) as failed:
        load(bundle, f"$open({str(tmp_path / 'ran')!r}, 'w').close()")
    assert "$open" in (find_message(failed.value) or "")
    assert not (tmp_path / "ran").exists()
