"""Tests of looking for gradients in the first step."""

from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine
from monai.engines import IterationEvents
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.handlers import GradientCheck


class Network(nn.Module):
    """Two trained weights, a frozen one, and a trained one that is not read."""

    unread = ("left_out.",)

    def __init__(self):
        super().__init__()
        self.used, self.forgotten, self.left_out = (nn.Linear(1, 1, bias=False) for _ in range(3))
        self.frozen = nn.Parameter(torch.zeros(1), requires_grad=False)


def run(network, gradients, steps=1):
    """Run an engine that gives each named weight a gradient, or takes it away."""

    def step(engine, batch):
        for name, parameter in network.named_parameters():
            parameter.grad = gradients(engine.state.iteration).get(name)
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)

    engine = Engine(step)
    engine.register_events(*IterationEvents)
    GradientCheck(SimpleNamespace(module=network)).attach(engine)
    engine.run(range(steps), max_epochs=1)


WHOLE = {"used.weight": torch.ones(1, 1), "forgotten.weight": torch.zeros(1, 1)}


def test_trained_tensor_without_gradient_is_named():
    with pytest.raises(DataError, match=r"'forgotten\.weight' is to be trained, but got no gradient in the first step"):
        run(Network(), lambda step: {"used.weight": torch.ones(1, 1)})


def test_gradient_of_zero_is_one():
    run(Network(), lambda step: WHOLE)


def test_only_the_first_step_is_looked_at():
    run(Network(), lambda step: WHOLE if step == 1 else {}, steps=3)


def test_network_of_somebody_else_is_checked_whole():
    network = nn.Linear(1, 1)
    with pytest.raises(DataError, match="'bias'"):
        run(network, lambda step: {"weight": torch.ones(1, 1)})
