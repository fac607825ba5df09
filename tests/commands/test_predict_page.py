"""docs/predict.md: every command in it is run, one after the other, as a reader would."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
from pathlib import Path

import nibabel
import numpy as np
import torch
from dicom.corpus import write_series
from PIL import Image
from test_docs import ROOT, commands

from monai_vlsm.__main__ import main
from monai_vlsm.commands.predict import add_parser
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predicting.records import COLUMNS

PAGE = ROOT / "docs" / "predict.md"
TEXT = PAGE.read_text(encoding="utf-8")


def make_what_the_page_has(folder: Path) -> None:
    bundle = folder / "bundles" / "busi"
    shutil.copytree(ROOT / "bundles" / "busi", bundle, ignore=shutil.ignore_patterns("eval", "models"))
    config = bundle / "configs" / "inference.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "backbone": "tiny", "image_size": 64}))
    (bundle / "models").mkdir()
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, bundle / "models" / "model.pt")
    (folder / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    for name in ("a.png", "b.jpg"):
        Image.fromarray(pixels).save(folder / "photos" / name)
    nibabel.save(nibabel.Nifti1Image(pixels[..., None].astype(np.float32), np.eye(4)), folder / "scan.nii.gz")
    write_series(folder / "study")
    (table,) = re.findall(r"```csv\n(.*?)```", TEXT, re.DOTALL)
    (folder / "prompts.csv").write_text(table)


def test_every_command_of_the_page_works(tmp_path, monkeypatch):
    make_what_the_page_has(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = [shlex.split(command)[1:] for command in commands(PAGE) if command.startswith("monai-vlsm ")]
    assert len(found) >= 7
    assert [main(command) for command in found] == [0] * len(found)
    for file in ("masks/a_mask.png", "both/a_labels.png", "asked/photos/a_tumor.png", "ordered/b_cyst_probability.png"):
        assert (tmp_path / file).is_file()
    assert list((tmp_path / "segs").glob("*_seg.dcm"))


def test_the_page_explains_every_column():
    assert [name for name in COLUMNS if f"`{name}`" not in TEXT] == []


def test_the_page_explains_every_option():
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    (subparsers,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    options = [name for action in subparsers.choices["predict"]._actions for name in action.option_strings]
    assert len(options) > 20
    assert [name for name in options if name not in ("-h", "--help") and name not in TEXT] == []
