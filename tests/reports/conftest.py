"""A model for the bundles that pages are about."""

from __future__ import annotations

from pathlib import Path

import pytest
from reports.small_bundle import write_bundle, write_data

from monai_vlsm.networks import CLIPSegDenseAdapter


@pytest.fixture(scope="session")
def tiny_state():
    """What a model holds that was trained on ``tiny``."""
    return CLIPSegDenseAdapter("tiny").state_dict()


@pytest.fixture
def data(tmp_path) -> Path:
    return write_data(tmp_path / "data" / "busi")


@pytest.fixture
def bundle(tmp_path, tiny_state) -> Path:
    return write_bundle(tmp_path / "bundles" / "busi", tiny_state)
