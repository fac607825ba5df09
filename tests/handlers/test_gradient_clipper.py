"""Tests of bounding the gradient."""

from types import SimpleNamespace

import pytest
import torch
from monai.engines import SupervisedTrainer
from torch import nn

from monai_vlsm.handlers import GradientClipper


def norm(parameters):
    return torch.cat([parameter.grad.flatten() for parameter in parameters]).norm().item()


def optimizer_with_gradient(*gradients):
    """Return an optimizer with one parameter per gradient, in groups of their own."""
    parameters = [nn.Parameter(torch.zeros(len(gradient))) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return torch.optim.SGD([{"params": [parameter]} for parameter in parameters], lr=1.0), parameters


def test_a_large_gradient_is_scaled_down_to_the_norm():
    optimizer, parameters = optimizer_with_gradient([30.0, 40.0])
    GradientClipper(optimizer, max_norm=0.5)(SimpleNamespace())
    torch.testing.assert_close(parameters[0].grad, torch.tensor([0.3, 0.4]))


def test_a_small_gradient_is_left_alone():
    optimizer, parameters = optimizer_with_gradient([0.03, 0.04])
    GradientClipper(optimizer, max_norm=0.5)(SimpleNamespace())
    torch.testing.assert_close(parameters[0].grad, torch.tensor([0.03, 0.04]))


def test_all_groups_of_the_optimizer_share_one_norm():
    optimizer, parameters = optimizer_with_gradient([3.0], [4.0])
    GradientClipper(optimizer, max_norm=0.5)(SimpleNamespace())
    assert [parameter.grad.item() for parameter in parameters] == pytest.approx([0.3, 0.4])


def test_parameters_without_gradient_do_no_harm():
    optimizer, parameters = optimizer_with_gradient([3.0], [4.0])
    parameters[0].grad = None
    GradientClipper(optimizer, max_norm=0.5)(SimpleNamespace())
    assert parameters[1].grad.item() == pytest.approx(0.5)


def test_the_loss_scaling_of_mixed_precision_is_undone_first():
    """Without it a gradient of 0.05, scaled by 1024, would be clipped."""
    optimizer, parameters = optimizer_with_gradient([0.03 * 1024, 0.04 * 1024])
    scaler = torch.amp.GradScaler("cpu", init_scale=1024)
    scaler.scale(torch.zeros(()))
    GradientClipper(optimizer, max_norm=0.5)(SimpleNamespace(scaler=scaler))
    torch.testing.assert_close(parameters[0].grad, torch.tensor([0.03, 0.04]))


def test_the_scaler_does_not_undo_the_scaling_again():
    optimizer, parameters = optimizer_with_gradient([3.0 * 1024, 4.0 * 1024])
    scaler = torch.amp.GradScaler("cpu", init_scale=1024)
    scaler.scale(torch.zeros(()))
    GradientClipper(optimizer, max_norm=0.5)(SimpleNamespace(scaler=scaler))
    scaler.step(optimizer)
    torch.testing.assert_close(parameters[0].data, torch.tensor([-0.3, -0.4]))


@pytest.mark.parametrize("clip", [True, False])
def test_a_trainer_makes_no_step_longer_than_the_norm(clip):
    """Without the handler the step is far longer, otherwise the test would prove nothing."""
    torch.manual_seed(0)
    network = nn.Linear(4, 1)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[{"image": torch.full((2, 4), 50.0), "label": torch.full((2, 1), 9.0)}],
        network=network,
        optimizer=optimizer,
        loss_function=nn.MSELoss(),
        decollate=False,
    )
    if clip:
        GradientClipper(optimizer, max_norm=0.5).attach(trainer)
    trainer.run()
    step = torch.cat([(new - old).flatten() for new, old in zip(network.parameters(), before, strict=True)]).norm()
    assert (step.item() <= 0.5 + 1e-5) is clip
