"""Which parameters are trained, how many they are, and that these alone receive gradient."""

import pytest
import torch

from monai_vlsm.networks import CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter, adapter_state_dict

ADAPTED = ["dense", "shallow"]


@pytest.mark.parametrize(
    ("network_class", "places", "number"),
    [
        (CLIPSegDenseAdapter, "V", 1_784_448),
        (CLIPSegDenseAdapter, "VL", 2_974_464),
        (CLIPSegDenseAdapter, "VLC", 3_237_376),
        (CLIPSegShallowAdapter, "V", 2_363_136),
        (CLIPSegShallowAdapter, "VL", 3_939_072),
        (CLIPSegShallowAdapter, "VLC", 4_201_984),
    ],
)
def test_adapters_have_the_size_of_the_paper(full_size_backbone, network_class, places, number):
    network = network_class(full_size_backbone, adapt_text="L" in places, adapt_cond="C" in places)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == number


@pytest.mark.parametrize(("mode", "number"), [("zero_shot", 0), ("decoder", 1_127_009), ("full", 150_747_746)])
def test_baselines_train_what_they_say(full_size_backbone, mode, number):
    network = CLIPSegFineTune(full_size_backbone, mode=mode)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == number


@pytest.mark.parametrize("network_class", [CLIPSegDenseAdapter, CLIPSegShallowAdapter])
@pytest.mark.parametrize(
    ("switch", "beginnings"), [("adapt_vision", "vision_"), ("adapt_text", "text_"), ("adapt_cond", "cond_")]
)
def test_places_are_switched_one_by_one(small_backbone, network_class, switch, beginnings):
    everything = set(adapter_state_dict(network_class(small_backbone, bottleneck=2)))
    without = set(adapter_state_dict(network_class(small_backbone, bottleneck=2, **{switch: False})))
    assert everything - without == {name for name in everything if name.startswith(beginnings)} != set()


@pytest.mark.parametrize("kind", ADAPTED)
def test_only_adapters_receive_gradient(make_network, batch, kind):
    network = make_network(kind)
    network(**batch).mean().backward()
    with_grad = {name for name, p in network.named_parameters() if p.grad is not None}
    assert with_grad, "no adapter at all: the test would pass on a frozen model"
    assert with_grad == set(adapter_state_dict(network))


@pytest.mark.parametrize("kind", ADAPTED)
def test_every_adapter_takes_part(make_network, batch, kind):
    network = make_network(kind)
    network(**batch).square().mean().backward()
    assert {name for name, p in network.named_parameters() if p.requires_grad and not p.grad.any()} == set()


def test_decoder_mode_gives_gradient_to_the_whole_decoder_alone(make_network, batch):
    network = make_network("decoder")
    network(**batch).mean().backward()
    with_grad = {name for name, p in network.named_parameters() if p.grad is not None}
    assert with_grad == {name for name, _ in network.named_parameters() if name.startswith("backbone.decoder.")}


def test_full_mode_gives_gradient_to_all_that_the_decoder_depends_on(make_network, batch):
    network = make_network("full")
    network(**batch).mean().backward()
    without_grad = {name for name, p in network.named_parameters() if p.grad is None}
    unread = ("logit_scale", "visual_projection.", "vision_model.post_layernorm.", "vision_model.encoder.layers.4.")
    beginnings = tuple(f"backbone.clip.{part}" for part in unread)
    assert without_grad == {name for name, _ in network.named_parameters() if name.startswith(beginnings)} != set()


def test_zero_shot_keeps_no_graph(make_network, batch):
    assert not make_network("zero_shot")(**batch).requires_grad


@pytest.mark.parametrize(("kind", "kept"), [("dense", False), ("full", True)])
def test_inputs_of_frozen_layers_are_not_kept_for_weight_gradients(make_network, batch, kind, kept):
    network = make_network(kind)
    inputs, saved = [], set()
    network.backbone.clip.vision_model.encoder.layers[2].mlp.fc1.register_forward_pre_hook(
        lambda module, args: inputs.append(args[0])
    )
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.add(t.data_ptr()) or t, lambda t: t):
        network(**batch)
    assert len(inputs) == 1
    assert (inputs[0].data_ptr() in saved) == kept
