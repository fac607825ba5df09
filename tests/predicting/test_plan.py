"""What a bundle gives to a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bundle.trained import write_trained
from networks.installed import installed
from predicting.conftest import write_picture

from monai_vlsm.networks import METHODS, build_network
from monai_vlsm.predicting.plan import Plan, load_predictor, make_plan
from monai_vlsm.predictor import Predictor


@pytest.mark.parametrize("method", installed(METHODS))
def test_a_checkpoint_of_any_method_answers_as_the_network_that_was_saved(method, tmp_path):
    """The configuration says dense; the file knows better."""
    torch.manual_seed(0)
    network = build_network(method, "tiny", precision="float32")
    bundle = write_trained("phantom", tmp_path / "bundle", network)
    asked = Plan(out="nowhere", bundle=str(bundle), device="cpu", precision="float32", threshold=0.5, min_presence=0.0)
    predictor = load_predictor(make_plan(asked))
    assert predictor.network.method == method
    image = write_picture(tmp_path / "a.png")
    found, expected = (each.set_image(image).predict("a cyst") for each in (predictor, Predictor(network, "cpu")))
    np.testing.assert_array_equal(found.probability, expected.probability)
