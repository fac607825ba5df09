"""Pictures, volumes, a trained bundle and a predictor of the shipped backbone, which many images can share."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle.trained import write_trained
from PIL import Image

from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predicting.plan import Plan, load_predictor, make_plan


@pytest.fixture(scope="session")
def bundle(tmp_path_factory) -> Path:
    """A bundle with a checkpoint, which nobody changes."""
    folder = tmp_path_factory.mktemp("predicting") / "bundle"
    torch.manual_seed(0)
    return write_trained("phantom", folder, CLIPSegDenseAdapter("tiny"))


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


def read_results(out: str | Path) -> list[dict[str, str]]:
    """Return the rows of the table in a folder of results."""
    with Path(out, "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_picture(path: Path, seed: int = 0, size: tuple[int, int] = (40, 60)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)).save(path)
    return path
