"""Every method can be exported: what is recorded of it gives what its network gives."""

from __future__ import annotations

import pytest
import torch
from exporting.made import two_layer_backbone

from monai_vlsm.exporting import check
from monai_vlsm.exporting.parts import parts_of, record
from monai_vlsm.networks import METHODS, Backbone, build_network

pytestmark = pytest.mark.usefixtures("no_traces_of_the_compiler")

ONE_OF_EACH_CLASS = list({method.network_class: name for name, method in METHODS.items()}.values())


@pytest.fixture(scope="module")
def backbone(tokenizer) -> Backbone:
    return two_layer_backbone(tokenizer)


@pytest.mark.parametrize("method", ONE_OF_EACH_CLASS)
@torch.no_grad()
def test_the_recorded_encoders_of_a_method_take_any_batch_and_prompt(backbone, method):
    torch.manual_seed(0)
    network = build_network(method, backbone, prompt="a lesion").eval()
    for parameter in network.parameters():
        parameter += 0.1 * torch.randn_like(parameter) if parameter.requires_grad else 0
    image_encoder, text_encoder, _ = parts_of(network, 64).values()
    image, input_ids = torch.randn(3, 3, 64, 64), network.default_input_ids[:, :5].repeat(3, 1)
    for part, given in ((image_encoder, image), (text_encoder, input_ids)):
        recorded = record(part, method).module()
        torch.testing.assert_close(recorded(given), part.module(given), rtol=0, atol=1e-4)
        torch.testing.assert_close(recorded(given[:1]), part.module(given[:1]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["coop", "dense"])
def test_a_prompt_that_is_longer_than_what_is_tried_is_no_difference(backbone, method, monkeypatch, tmp_path):
    network = build_network(method, backbone, prompt="an irregular lesion at the border of the picture").eval()
    monkeypatch.setattr(check, "run_of", lambda path, part: record(part, path.stem).module())
    assert check.largest_difference(network, parts_of(network, 64), tmp_path, "onnx") < 1e-4
