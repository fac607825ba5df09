"""What holds for every method, new ones included: what is trained, what is saved, and that nothing else is touched."""

import pytest
import torch
from golden.make_golden import small_config, small_model
from networks.installed import installed
from torch.export import Dim

from monai_vlsm.networks import (
    METHODS,
    Backbone,
    adapter_state_dict,
    build_network,
    load_adapter_state_dict,
    load_checkpoint,
    save_adapters,
    trained_parameters,
)
from monai_vlsm.networks.nets.base import CLIPSegNetwork

TRAINED = [method for method in METHODS if method != "zero_shot"]
OF_CLIPSEG = [method for method in TRAINED if issubclass(METHODS[method].network_class, CLIPSegNetwork)]

MEAN = "boundary_enhancer.layers.1.running_mean"

every_method = pytest.mark.parametrize("method", installed(TRAINED))
every_kind = pytest.mark.parametrize("method", installed([*OF_CLIPSEG, "unet"]))
"""All image-only methods are one class, and the larger of them take seconds."""


def trained_step(network, batch):
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1e-2)
    network(**batch).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize(
    ("method", "settings", "number"),
    [
        ("telescopic", {}, 613_297),
        ("telescopic", {"adapt_text": False, "adapt_cond": False}, 498_330 + 48),
        ("telescopic", {"adapt_vision": False, "adapt_cond": False}, 98_502 + 48),
        ("telescopic", {"adapt_vision": False, "adapt_text": False}, 16_417 + 48),
        ("coop", {}, 2_048),
        ("coop", {"context_depth": 12}, 12 * 2_048),
        ("vpt", {}, 3_072),
        ("vpt", {"context_depth": 11}, 11 * 3_072),
        ("maple", {}, 83_520 + 2_048),
        ("maple", {"context_depth": 11}, 11 * (83_520 + 2_048)),
        ("lora", {}, 245_760),
        ("lora", {"adapt_text": True}, 442_368),
        ("lora", {"lora_rank": 2}, 245_760 // 4),
    ],
    ids=str,
)
def test_method_has_the_size_of_its_source(full_size_backbone, method, settings, number):
    with torch.device("meta"):
        network = build_network(method, full_size_backbone, **settings)
    assert sum(tensor.numel() for tensor in trained_parameters(network)) == number


@every_method
def test_exactly_what_is_trained_receives_gradient(small_backbone, batch, method):
    network = build_network(method, small_backbone)
    network(**batch).square().mean().backward()
    with_gradient = {name for name, p in network.named_parameters() if p.grad is not None}
    trained = {name for name, p in network.named_parameters() if p.requires_grad}
    assert with_gradient == {name for name in trained if not name.startswith(network.unread)}


@every_kind
def test_file_gives_another_network_what_was_trained(small_backbone, batch, method, tmp_path):
    source, other = build_network(method, small_backbone), build_network(method, small_backbone)
    before = source(**batch)
    trained_step(source, batch)
    save_adapters(source.eval(), tmp_path / "model.pt")
    load_checkpoint(other, tmp_path / "model.pt")
    assert torch.equal(other(**batch), source(**batch))
    assert not torch.equal(other(**batch), before), "nothing was trained: the test cannot fail"


@pytest.mark.parametrize("method", ["telescopic", "attention_unet"])
def test_statistics_of_batch_norms_travel_with_what_is_trained(small_backbone, batch, method):
    source, other = build_network(method, small_backbone).train(), build_network(method, small_backbone)
    source(**batch)
    load_adapter_state_dict(other, adapter_state_dict(source))
    assert torch.equal(other.eval()(**batch), source.eval()(**batch))


def test_tensors_without_statistics_of_batch_norms_are_taken_and_leave_them(small_backbone, batch):
    source, network = build_network("telescopic", small_backbone), build_network("telescopic", small_backbone).train()
    network(**batch)
    before = network.get_buffer(MEAN).clone()
    load_adapter_state_dict(network, {name: p for name, p in source.named_parameters() if p.requires_grad})
    assert before.any()
    assert torch.equal(network.get_buffer(MEAN), before)


@every_kind
def test_other_networks_on_the_backbone_stay_as_they_were(small_backbone, batch, method):
    plain, twin = build_network("zero_shot", small_backbone), build_network(method, small_backbone)
    before = plain(**batch), twin(**batch)
    trained_step(build_network(method, small_backbone), batch)
    assert torch.equal(plain(**batch), before[0])
    assert torch.equal(twin(**batch), before[1])


@pytest.mark.parametrize("method", ["coop", "vpt"])
def test_exported_program_takes_other_numbers_of_images_and_tokens(batch, method):
    """Recorded with 8 tokens each, also where contexts are put among them, and run with all that there can be."""
    config = small_config(vision={"num_hidden_layers": 2}, text={"num_hidden_layers": 1}, extract_layers=[0, 1])
    network = build_network(method, Backbone("two layers", small_model(config)))
    free = {0: Dim.DYNAMIC}
    shapes = {"image": free, "input_ids": {**free, 1: Dim.DYNAMIC}, "attention_mask": {**free, 1: Dim.DYNAMIC}}
    program = torch.export.export(network, (), dict(batch), dynamic_shapes=shapes)
    ids = torch.cat((batch["input_ids"][:1, :5].repeat_interleave(15, 1), torch.tensor([[63, 63]])), 1).expand(3, -1)
    given = {"image": torch.randn(3, 3, 64, 64), "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    torch.testing.assert_close(program.module()(**given), network(**given), rtol=0, atol=1e-4)
