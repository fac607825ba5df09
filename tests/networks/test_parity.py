"""Logits, loss and gradients equal those of the public code, and those of the method written out (tests/golden)."""

import json
from types import SimpleNamespace

import pytest
import torch
from golden.make_golden import BOTTLENECK, COND_BOTTLENECK, GOLDEN_FILE, GRADIENTS, adapter_tensors, small_inputs
from monai.losses import DiceCELoss
from safetensors.torch import load_file
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from monai_vlsm.networks import (
    Backbone,
    CLIPSegDenseAdapter,
    CLIPSegFineTune,
    CLIPSegShallowAdapter,
    adapter_state_dict,
    convert_reference_checkpoint,
    load_adapter_state_dict,
)

NETWORKS = {"dense": CLIPSegDenseAdapter, "shallow": CLIPSegShallowAdapter}
PARITY_BOTTLENECK = {"dense": 12, "shallow": 20}
LOGITS_TOLERANCE = 1e-3
"""Absolute; the logits of the reference spread by about 9."""
GRADIENT_TOLERANCE = 1e-3
"""Relative to the norm of the gradient of the tensor."""


def run(network, inputs):
    """Forward and backward with the loss of the paper."""
    loss_function = DiceCELoss(sigmoid=True, lambda_dice=1.5, lambda_ce=1.0)
    logits = network(inputs["image"], inputs["input_ids"], inputs["attention_mask"])
    loss = loss_function(logits, inputs["mask"])
    loss.backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.requires_grad}
    return SimpleNamespace(logits=logits.detach(), loss=loss.detach(), gradients=gradients)


def part(tensors, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def relative_difference(value, expected):
    return float((value - expected).norm() / expected.norm())


@pytest.fixture(scope="module")
def folder(shared_folder):
    return shared_folder / "parity"


@pytest.fixture(scope="module")
def backbone(folder):
    model = CLIPSegForImageSegmentation(CLIPSegConfig(**json.loads((folder / "backbone_config.json").read_text())))
    model.load_state_dict(load_file(folder / "backbone.safetensors"))
    return Backbone("parity", model)


@pytest.fixture(scope="module")
def inputs(folder):
    tensors = load_file(folder / "inputs.safetensors")
    return {"image": tensors.pop("pixel_values"), **tensors}


@pytest.fixture(scope="module", params=["dense", "shallow"])
def parity(request, folder, backbone, inputs):
    """What the public code gave, under our names, and what we give."""
    reference = load_file(folder / f"{request.param}_vlc.safetensors")
    network = NETWORKS[request.param](backbone, bottleneck=PARITY_BOTTLENECK[request.param])
    load_adapter_state_dict(network, convert_reference_checkpoint(part(reference, "param/")))
    gradients = convert_reference_checkpoint(part(reference, "grad/"))
    expected = SimpleNamespace(logits=reference["logits"], loss=reference["loss"], gradients=gradients)
    return SimpleNamespace(expected=expected, ours=run(network, inputs))


def test_logits_equal_the_public_code(parity):
    torch.testing.assert_close(parity.ours.logits, parity.expected.logits, rtol=0, atol=LOGITS_TOLERANCE)


def test_loss_equals_the_public_code(parity):
    torch.testing.assert_close(parity.ours.loss, parity.expected.loss, rtol=1e-5, atol=0)


def test_public_code_has_a_gradient_for_every_trained_tensor(parity):
    assert set(parity.ours.gradients) == set(parity.expected.gradients)


def test_every_gradient_equals_the_public_code(parity):
    differences = {
        name: relative_difference(gradient, parity.expected.gradients[name])
        for name, gradient in parity.ours.gradients.items()
    }
    assert {name: value for name, value in differences.items() if not value <= GRADIENT_TOLERANCE} == {}


def test_zero_shot_logits_equal_the_public_code(folder, backbone, inputs):
    expected = load_file(folder / "zero_shot.safetensors")["logits"]
    logits = CLIPSegFineTune(backbone)(inputs["image"], inputs["input_ids"], inputs["attention_mask"])
    torch.testing.assert_close(logits, expected, rtol=0, atol=LOGITS_TOLERANCE)


@pytest.fixture(params=["dense", "shallow"])
def golden_kind(request):
    return request.param


@pytest.fixture
def golden(golden_kind):
    return part(load_file(GOLDEN_FILE), f"{golden_kind}/")


@pytest.fixture
def golden_network(golden_kind, small_backbone):
    network = NETWORKS[golden_kind](small_backbone, bottleneck=BOTTLENECK[golden_kind], cond_bottleneck=COND_BOTTLENECK)
    load_adapter_state_dict(network, adapter_tensors(golden_kind, small_backbone.model.config))
    return network


def test_logits_equal_the_method_written_out(golden_network, golden):
    logits = run(golden_network, small_inputs()).logits
    torch.testing.assert_close(logits, golden["logits"], rtol=0, atol=LOGITS_TOLERANCE)


def test_loss_equals_the_method_written_out(golden_network, golden):
    loss = run(golden_network, small_inputs()).loss
    torch.testing.assert_close(loss, golden["loss"], rtol=1e-5, atol=0)


def test_gradients_equal_the_method_written_out(golden_network, golden, golden_kind):
    gradients = run(golden_network.double(), small_inputs()).gradients
    expected = part(golden, "grad/")
    assert set(expected) == set(GRADIENTS[golden_kind])
    differences = {name: relative_difference(gradients[name], gradient) for name, gradient in expected.items()}
    assert {name: value for name, value in differences.items() if not value <= 1e-5} == {}


def test_adapters_matter_in_the_golden_values(golden_network, golden, small_backbone):
    inputs = small_inputs()
    without = CLIPSegFineTune(small_backbone)(inputs["image"], inputs["input_ids"], inputs["attention_mask"])
    assert (without - golden["logits"]).abs().max() > 100 * LOGITS_TOLERANCE


def test_formula_fills_every_adapter(golden_network, golden_kind, small_backbone):
    filled = adapter_tensors(golden_kind, small_backbone.model.config)
    assert {name: tensor.shape for name, tensor in adapter_state_dict(golden_network).items()} == {
        name: tensor.shape for name, tensor in filled.items()
    }
