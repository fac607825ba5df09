"""A trained bundle with its data set and an evaluation, as small as they come."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from reports.tables import SETTINGS, write_run

from monai_vlsm.data import write_datalist

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
DICE = [0.9, 0.2, 0.7, 0.5]


def write_data(folder: Path) -> Path:
    """Six pictures of 40 x 32 pixels: one for training, one for validation, four for the test."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    rng = np.random.default_rng(0)
    entries = []
    for number in range(6):
        picture, mask = rng.integers(0, 256, (32, 40), dtype=np.uint8), np.zeros((32, 40), np.uint8)
        mask[8:20, 10:30] = 255
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
        prompts = {"p0": [""], "p1": ["breast tumor"]}
        entries.append({"image": f"images/{number}.png", "label": f"masks/{number}.png", "prompts": prompts})
    write_datalist(folder, {"test": entries[:4], "training": entries[4:5], "validation": entries[5:]})
    return folder


def write_bundle(folder: Path, state: dict[str, Any] | None = None) -> Path:
    """A copy of a bundle of this repository, with a model where ``state`` is given."""
    shutil.copytree(BUNDLES / "busi", folder, ignore=shutil.ignore_patterns("eval", "models", "cache"))
    (folder / "models").mkdir()
    if state is not None:
        torch.save({"model": state}, folder / "models" / "model.pt")
    return folder


def write_evaluation(bundle: Path, data: Path, name: str = "test_p1", settings: dict[str, Any] = SETTINGS, **columns):
    """A run on the test images of ``write_data``."""
    return write_run(bundle / "eval" / name, columns.pop("dice", DICE), settings, data=str(data), **columns)
