"""Every method can be exported: what is recorded of it gives what its network gives."""

from __future__ import annotations

import pytest
import torch
from golden.make_golden import small_config, small_model

from monai_vlsm.exporting.parts import parts_of, record
from monai_vlsm.networks import METHODS, Backbone, build_network

ONE_OF_EACH_CLASS = list({method.network_class: name for name, method in METHODS.items()}.values())


@pytest.fixture(scope="module")
def two_layer_backbone(tokenizer) -> Backbone:
    """Two layers are enough to find out whether a graph can be recorded, and much faster."""
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = {"num_hidden_layers": 2, "vocab_size": len(tokenizer), **ids}
    config = small_config(vision={"num_hidden_layers": 3}, text=text, extract_layers=[0, 1])
    return Backbone("two layers", small_model(config), tokenizer)


@pytest.mark.parametrize("method", ONE_OF_EACH_CLASS)
@torch.no_grad()
def test_the_recorded_encoders_of_a_method_take_any_batch_and_prompt(two_layer_backbone, method):
    torch.manual_seed(0)
    network = build_network(method, two_layer_backbone, prompt="a lesion").eval()
    for parameter in network.parameters():
        parameter += 0.1 * torch.randn_like(parameter) if parameter.requires_grad else 0
    image_encoder, text_encoder, _ = parts_of(network, 64).values()
    image, input_ids = torch.randn(3, 3, 64, 64), network.default_input_ids[:, :5].repeat(3, 1)
    for part, given in ((image_encoder, image), (text_encoder, input_ids)):
        recorded = record(part, method).module()
        torch.testing.assert_close(recorded(given), part.module(given), rtol=0, atol=1e-4)
        torch.testing.assert_close(recorded(given[:1]), part.module(given[:1]), rtol=0, atol=1e-4)
