"""Bundles to change: one of this version, and one that version 0.1.0 wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from bundle.changes import BUNDLES, OLD, give_model

from monai_vlsm.networks import CLIPSegDenseAdapter


@pytest.fixture
def ran(tmp_path) -> Path:
    """The file that hostile code writes."""
    return tmp_path / "code was run"


@pytest.fixture
def expression(ran) -> str:
    return f"$__import__('pathlib').Path({str(ran)!r}).touch()"


@pytest.fixture
def bundle(tmp_path) -> Path:
    ignored = shutil.ignore_patterns("eval", "models")
    return Path(shutil.copytree(BUNDLES / "phantom", tmp_path / "phantom", ignore=ignored))


@pytest.fixture
def old_bundle(tmp_path) -> Path:
    """A bundle as version 0.1.0 wrote it."""
    return Path(shutil.copytree(OLD, tmp_path / "old" / "phantom"))


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.pt"
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, path)
    return path


@pytest.fixture
def trained(bundle, model) -> Path:
    return give_model(bundle, model)
