"""Telescopic, CoOp, VPT and MaPLe give what each of them written out gives (tests/golden/make_methods.py)."""

from types import SimpleNamespace

import pytest
import torch
from golden.make_golden import small_inputs
from golden.make_methods import GRADIENTS, METHODS_FILE, SETTINGS, method_tensors
from monai.losses import DiceCELoss
from safetensors.torch import load_file

from monai_vlsm.networks import build_network, load_adapter_state_dict


@pytest.fixture(params=list(SETTINGS))
def method(request):
    return request.param


@pytest.fixture
def expected(method):
    tensors = {name.removeprefix(f"{method}/"): tensor for name, tensor in load_file(METHODS_FILE).items()}
    gradients = {name: tensors[f"grad/{name}"] for name in GRADIENTS[method]}
    return SimpleNamespace(logits=tensors["logits"], loss=tensors["loss"], gradients=gradients)


@pytest.fixture
def network(method, small_backbone):
    network = build_network(method, small_backbone, **SETTINGS[method])
    load_adapter_state_dict(network, method_tensors(method, small_backbone.model.config))
    return network.double()


@pytest.fixture
def logits(network):
    inputs = small_inputs()
    return network(inputs["image"].double(), inputs["input_ids"], inputs["attention_mask"])


def relative_difference(value, expected):
    return float((value - expected).norm() / expected.norm())


def test_formula_fills_every_tensor(network, method, small_backbone):
    filled = method_tensors(method, small_backbone.model.config)
    trained = {name: tensor.shape for name, tensor in network.named_parameters() if tensor.requires_grad}
    assert trained == {name: tensor.shape for name, tensor in filled.items()}


def test_logits_equal_the_method_written_out(logits, expected):
    torch.testing.assert_close(logits, expected.logits, rtol=0, atol=1e-5)


def test_loss_and_gradients_equal_the_method_written_out(network, logits, expected):
    loss = DiceCELoss(sigmoid=True, lambda_dice=1.5, lambda_ce=1.0)(logits, small_inputs()["mask"])
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    found = {name: relative_difference(gradients[name], gradient) for name, gradient in expected.gradients.items()}
    found["loss"] = relative_difference(loss.detach(), expected.loss)
    assert {name: value for name, value in found.items() if not value <= 1e-5} == {}


def test_what_is_trained_matters_in_the_values(expected, small_backbone):
    inputs = small_inputs()
    without = build_network("zero_shot", small_backbone)(*list(inputs.values())[:3])
    assert (without - expected.logits).abs().max() > 0.01
