"""LoRA through peft on a backbone that others share."""

import sys

import pytest
import torch

from monai_vlsm.errors import UserError
from monai_vlsm.networks import adapter_state_dict, build_network, trained_parameters


@pytest.fixture(params=[False, True], ids=["vision", "vision and text"])
def lora(request, small_backbone):
    """A network that was trained: both factors are other than 0."""
    pytest.importorskip("peft", reason="peft is not installed")
    torch.manual_seed(0)
    network = build_network("lora", small_backbone, lora_rank=2, lora_alpha=6, adapt_text=request.param)
    with torch.no_grad():
        for parameter in trained_parameters(network):
            parameter.normal_(std=0.3)
    return network


def test_untrained_network_is_clipseg_exactly(small_backbone, batch):
    pytest.importorskip("peft", reason="peft is not installed")
    assert torch.equal(
        build_network("lora", small_backbone)(**batch), build_network("zero_shot", small_backbone)(**batch)
    )


def test_decoder_and_other_projections_are_left_alone(lora):
    modules = {name.partition(".lora_")[0] for name in adapter_state_dict(lora)}
    encoders = {"text", "vision"} if lora.settings["adapt_text"] else {"vision"}
    layers = {"vision": range(4), "text": range(5)}
    place = "backbone.clip.{}_model.encoder.layers.{}.self_attn.{}_proj"
    assert modules == {place.format(e, layer, part) for e in encoders for layer in layers[e] for part in "qv"}


def test_logits_are_those_of_weights_with_the_products_added(lora, small_backbone, batch):
    """The formula of the paper, written out: W + alpha / r * B A."""
    written_out = build_network("zero_shot", small_backbone).own_copy()
    tensors, factor = adapter_state_dict(lora), 6 / 2
    with torch.no_grad():
        for name in (name for name in tensors if ".lora_A." in name):
            weight = written_out.get_parameter(name.partition(".lora_")[0] + ".weight")
            weight += factor * tensors[name.replace("lora_A", "lora_B")] @ tensors[name]
    torch.testing.assert_close(lora(**batch), written_out(**batch), rtol=0, atol=1e-5)
    assert (lora(**batch) - build_network("zero_shot", small_backbone)(**batch)).abs().max() > 0.01


def test_merged_network_has_the_layers_of_clipseg(lora, small_backbone, batch):
    merged, plain = lora.merged(), build_network("zero_shot", small_backbone)
    assert {name for name, _ in merged.named_parameters()} == {name for name, _ in plain.named_parameters()}
    torch.testing.assert_close(merged(**batch), lora(**batch), rtol=0, atol=1e-5)


def test_merging_leaves_network_and_backbone_as_they_were(lora, small_backbone, batch):
    plain = build_network("zero_shot", small_backbone)
    before = lora(**batch), plain(**batch)
    lora.merged()
    assert torch.equal(lora(**batch), before[0])
    assert torch.equal(plain(**batch), before[1])


def test_missing_peft_is_told_with_what_to_install(small_backbone, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match=r'pip install "monai_vlsm\[lora\]"'):
        build_network("lora", small_backbone)
