"""Pictures, volumes, a trained bundle and a predictor of the shipped backbone, which many images can share."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predicting.plan import Plan, load_predictor, make_plan

BUNDLE = Path(__file__).resolve().parents[2] / "bundles" / "phantom"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """A bundle with a checkpoint, which nobody changes."""
    folder = tmp_path_factory.mktemp("predicting") / "bundle"
    shutil.copytree(BUNDLE, folder, ignore=shutil.ignore_patterns("eval", "models"))
    (folder / "models").mkdir()
    torch.manual_seed(0)
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, folder / "models" / "model.pt")
    return folder


@pytest.fixture(scope="session")
def bundle_plan(bundle) -> Plan:
    """A plan for the bundle, without a folder of its own."""
    return make_plan(Plan(out="nowhere", bundle=str(bundle), device="cpu", min_presence=0.0))


@pytest.fixture
def plan(bundle_plan, tmp_path) -> Plan:
    """A plan for the bundle, into a folder that is not there yet."""
    return replace(bundle_plan, out=str(tmp_path / "out"))


@pytest.fixture(scope="session")
def predictor(bundle_plan):
    """The predictor of the plan."""
    return load_predictor(bundle_plan)


@pytest.fixture
def pictures(tmp_path) -> Path:
    """A folder with pictures ``a.png``, ``b.jpg`` and ``more/c.tif``."""
    for seed, name in enumerate(("a.png", "b.jpg", "more/c.tif")):
        write_picture(tmp_path / "pictures" / name, seed)
    return tmp_path / "pictures"


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = (40, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)).save(path)
    return path
