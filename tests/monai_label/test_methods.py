"""One server for a checkpoint of every method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle.trained import write_trained
from monai_label.pictures import write_picture
from monai_label.server import LabelServer

from monai_vlsm.networks import METHODS, build_network
from monai_vlsm.predictor import Predictor

PROMPT = "bright object"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> Path:
    """A folder of bundles, called as the methods of their models; their configurations all say dense."""
    for package in ("peft", "einops"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("methods")
    for method in METHODS:
        torch.manual_seed(0)
        write_trained("busi", folder / method, build_network(method, "tiny"))
    return folder


@pytest.fixture(scope="module")
def server(start, bundles) -> Iterator[LabelServer]:
    with start(*(str(bundles / method) for method in METHODS)) as started:
        yield started


@pytest.mark.parametrize("method", METHODS)
def test_the_server_finds_what_the_package_finds(server, values, bundles, method, tmp_path):
    found = values(server.infer(method, "gray", prompt=PROMPT))
    predictor = Predictor.from_bundle(bundles / method, backbone="tiny", device="cpu")
    assert predictor.network.method == method
    wanted = predictor.set_image(write_picture(tmp_path, "gray")).predict(PROMPT).mask
    if method != "flexible_unet":  # which, untrained, says the same of every pixel
        assert set(np.unique(wanted)) == {0, 1}, "an empty or full mask would be that of any network"
    np.testing.assert_array_equal(found.squeeze(), wanted)
