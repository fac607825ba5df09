"""Less memory for gradients, and the same gradients."""

import pytest
import torch
from torch import nn
from transformers.activations import QuickGELUActivation

from monai_vlsm.networks import build_network
from monai_vlsm.networks.blocks.activations import QuickGELU, ReLU, relu

ADAPTED = ["dense", "shallow", "decoder"]


def kept_bytes(function, *inputs) -> int:
    """Return the memory of all that autograd keeps, each tensor once."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        function(*inputs)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("lean", "plain"), [(QuickGELU(), QuickGELUActivation()), (ReLU(), nn.ReLU())])
def test_an_activation_is_that_of_its_library(lean, plain, dtype):
    x = torch.randn(3, 50, dtype=dtype)
    x[0, :4] = torch.tensor([0.0, -0.0, float("inf"), float("nan")])
    for given in (x, x.clone().requires_grad_()):
        torch.testing.assert_close(lean(given), plain(given), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("activation", [QuickGELU(), ReLU()])
def test_the_gradient_of_an_activation_is_that_of_its_formula(activation):
    x = (torch.randn(3, 20, dtype=torch.float64) * 3).requires_grad_()
    assert torch.autograd.gradcheck(activation, x)


def test_a_rectifier_keeps_a_byte_per_value():
    x = torch.randn(1, 4096, requires_grad=True)
    assert kept_bytes(relu, x) == 4096 < kept_bytes(torch.relu, x)


def test_quick_gelu_keeps_one_tensor():
    x = torch.randn(1, 4096, requires_grad=True)
    assert kept_bytes(QuickGELU(), x) == x.untyped_storage().nbytes() < kept_bytes(QuickGELUActivation(), x)


def test_every_activation_is_a_lean_one(make_network):
    modules = [
        module for module in make_network("dense").modules() if isinstance(module, QuickGELUActivation | nn.ReLU)
    ]
    assert {type(module) for module in modules} == {QuickGELU, ReLU}


def gradients(network: nn.Module, batch: dict) -> dict[str, torch.Tensor]:
    network.zero_grad()
    network.train()(**batch).sigmoid().mean().backward()
    return {name: value.grad for name, value in network.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ADAPTED)
def test_checkpointed_gradients_equal_the_others_bit_by_bit(make_network, batch, kind, precision):
    network = make_network(kind, precision=precision)
    plain = gradients(network, batch)
    assert plain
    torch.testing.assert_close(gradients(network.save_memory(), batch), plain, rtol=0, atol=0)


def test_checkpointing_keeps_less_than_half(make_network, batch):
    network = make_network("dense").train()
    plain = kept_bytes(lambda: network(**batch))
    network.save_memory()
    assert kept_bytes(lambda: network(**batch)) < 0.5 * plain


def test_build_network_takes_gradient_checkpointing(reading_backbone):
    network = build_network("dense", reading_backbone, gradient_checkpointing=True)
    assert network.backbone.is_gradient_checkpointing
