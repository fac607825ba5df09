"""Every method can be exported: what is recorded of it gives what its network gives."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from exporting.made import two_layer_backbone

from monai_vlsm.exporting import check
from monai_vlsm.exporting.parts import parts_of, record
from monai_vlsm.networks import METHODS, build_network

pytestmark = pytest.mark.usefixtures("no_traces_of_the_compiler")

ONE_OF_EACH_CLASS = list({method.network_class: name for name, method in METHODS.items()}.values())
PLAIN = "zero_shot"
LONG = "an irregular lesion at the border of the picture"
IMAGE = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))


class Made:
    """The network of a method, with weights that change its logits, and what is recorded of it."""

    def __init__(self, method, backbone):
        torch.manual_seed(0)
        self.network = build_network(method, backbone, prompt=LONG).eval()
        with torch.no_grad():
            for parameter in self.network.parameters():
                parameter += 0.1 * torch.randn_like(parameter) if parameter.requires_grad else 0
        self.parts = parts_of(self.network, 64)
        self.recorded = cache(lambda name: record(self.parts[name], name).module())

    def given(self, name):
        """Return three images, or three prompts that are shorter than those that a part is recorded with."""
        ids = self.network.default_input_ids[:, :5].repeat(3, 1)
        ids[:, -1] = self.network.tokenizer.eos_token_id
        return IMAGE if name == "image_encoder" else ids


@pytest.fixture(scope="module")
def made(tokenizer):
    backbone = two_layer_backbone(tokenizer)
    return cache(lambda method: Made(method, backbone))


@pytest.mark.parametrize("name", ["image_encoder", "text_encoder"])
@pytest.mark.parametrize("method", ONE_OF_EACH_CLASS)
@torch.no_grad()
def test_the_recorded_encoders_of_a_method_take_any_batch_and_prompt(made, method, name):
    """An encoder that a method leaves as it is was recorded with CLIPSeg itself."""
    own, given = made(method), made(method).given(name)
    expected = own.parts[name].module(given)
    plain = made(PLAIN).parts[name].module(given)
    is_plain = expected.shape == plain.shape and torch.equal(expected, plain)
    recorded = (made(PLAIN) if is_plain else own).recorded(name)
    torch.testing.assert_close(recorded(given), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(recorded(given[:1]), own.parts[name].module(given[:1]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["coop", "dense"])
def test_a_prompt_that_is_longer_than_what_is_tried_is_no_difference(made, method, monkeypatch, tmp_path):
    """Their decoder is that of CLIPSeg."""
    own = made(method)
    recorded = {name: made(PLAIN if name == "decoder" else method).recorded(name) for name in own.parts}
    monkeypatch.setattr(check, "run_of", lambda path, part: recorded[path.stem])
    assert check.largest_difference(own.network, own.parts, tmp_path, "onnx") < 1e-4
