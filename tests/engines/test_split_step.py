"""Steps on pieces of a batch equal steps on the whole of it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from engines.conftest import BATCH_SIZE, IMAGES
from ignite.engine import Events
from monai.engines import IterationEvents
from monai.handlers import IgniteMetricHandler, from_engine
from monai.losses import DiceLoss

from monai_vlsm.engines import SplitStep


def run(trainer):
    losses = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda engine: losses.append(engine.state.output[0]["loss"]))
    trainer.run()
    return trainer.network.layer.weight.detach(), torch.tensor(losses, dtype=torch.double)


def test_a_step_on_the_whole_batch_is_that_of_monai(trainer):
    weight, losses = run(trainer(SplitStep()))
    other, other_losses = run(trainer())
    assert torch.equal(weight, other)
    assert torch.equal(losses, other_losses)


@pytest.mark.parametrize("accumulate", [2, 3, 4, 9])
def test_pieces_give_weights_and_losses_of_the_whole_batch(trainer, accumulate):
    """The last batch has three images, and three pieces of four images are two, one and one."""
    weight, losses = run(trainer(SplitStep(accumulate)))
    other, other_losses = run(trainer())
    torch.testing.assert_close(weight, other, rtol=0, atol=1e-12)
    torch.testing.assert_close(losses, other_losses, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("accumulate", "largest"), [(1, 4), (2, 2), (3, 2), (4, 1), (9, 1)])
def test_the_network_sees_pieces_only(trainer, accumulate, largest):
    training = trainer(SplitStep(accumulate))
    training.run()
    assert training.network.largest_batch == largest


@pytest.mark.parametrize("accumulate", [1, 3])
def test_metrics_see_every_image(trainer, accumulate):
    def score(step):
        metric = IgniteMetricHandler(loss_fn=DiceLoss(sigmoid=True), output_transform=from_engine(["pred", "label"]))
        training = trainer(step, key_train_metric={"loss": metric})
        training.run()
        assert len(training.state.metric_details["loss"]) == IMAGES
        return training.state.metrics["loss"]

    assert score(SplitStep(accumulate)) == pytest.approx(score(None), abs=1e-12)


def test_handlers_are_told_once_per_step(trainer):
    training, told = trainer(SplitStep(3)), Counter()
    for event in IterationEvents:
        if event in training._allowed_events:
            training.add_event_handler(event, lambda event: told.update([event]), event)
    training.run()
    steps = 2 * -(-IMAGES // BATCH_SIZE)
    named = ("FORWARD_COMPLETED", "LOSS_COMPLETED", "BACKWARD_COMPLETED", "MODEL_COMPLETED")
    assert {event.name: number for event, number in told.items() if event.name in named} == dict.fromkeys(named, steps)


@pytest.mark.parametrize("accumulate", [1, 3])
def test_gradients_that_were_scaled_are_unscaled_once(trainer, accumulate):
    training = trainer(SplitStep(accumulate))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024)
    training.add_event_handler(Events.STARTED, lambda: setattr(training, "scaler", scaler))
    weight, losses = run(training)
    other, other_losses = run(trainer())
    torch.testing.assert_close(weight, other, rtol=0, atol=1e-12)
    torch.testing.assert_close(losses, other_losses, rtol=0, atol=1e-12)


def test_a_step_whose_scaled_gradients_overflow_is_left_out(trainer):
    training = trainer(SplitStep(2))
    before = training.network.layer.weight.detach().clone()
    scaler = torch.amp.GradScaler("cpu", init_scale=1e30)
    training.add_event_handler(Events.STARTED, lambda: setattr(training, "scaler", scaler))
    training.add_event_handler(Events.ITERATION_COMPLETED(once=1), training.terminate)
    training.network.layer.weight.register_hook(lambda gradient: gradient * 1e300)
    training.run()
    assert torch.equal(training.network.layer.weight, before)
    assert scaler.get_scale() < 1e30
