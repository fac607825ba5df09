"""Tests of stopping early, also after an interruption."""

import pytest
from ignite.engine import Engine, Events

from monai_vlsm.handlers import ResumableEarlyStop


def stop_after(early_stop, scores, resumed_from=None):
    """Return after how many of these scores the trainer is stopped."""
    trainer = Engine(lambda engine, batch: None)
    evaluator = Engine(lambda engine, batch: None)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run([0]))
    evaluator.add_event_handler(
        Events.STARTED, lambda: evaluator.state.metrics.update(dice=scores[trainer.state.epoch - 1])
    )
    early_stop.set_trainer(trainer)
    early_stop.attach(evaluator)
    if resumed_from is not None:
        early_stop.load_state_dict(resumed_from.state_dict())
    return trainer.run([0], max_epochs=len(scores)).epoch


def new_early_stop(patience=3):
    return ResumableEarlyStop(patience=patience, score_function=lambda engine: engine.state.metrics["dice"])


def test_epochs_without_improvement_stop_the_training():
    assert stop_after(new_early_stop(), [0.9] + [0.6] * 9) == 4


def test_epochs_without_improvement_are_counted_on_after_an_interruption():
    broken = new_early_stop()
    assert stop_after(broken, [0.9, 0.6, 0.6]) == 3
    assert stop_after(new_early_stop(), [0.6] * 9, resumed_from=broken) == 1


@pytest.mark.parametrize(("patience", "epochs"), [(4, 2), (6, 4)])
def test_the_patience_of_a_resumed_training_is_its_own(patience, epochs):
    broken = new_early_stop(patience=3)
    assert stop_after(broken, [0.9, 0.6, 0.6]) == 3
    assert stop_after(new_early_stop(patience), [0.6] * 9, resumed_from=broken) == epochs


@pytest.mark.parametrize(("patience", "exhausted"), [(2, True), (3, True), (4, False)])
def test_patience_is_exhausted_by_as_many_epochs_without_improvement(patience, exhausted):
    broken, resumed = new_early_stop(patience=3), new_early_stop(patience)
    stop_after(broken, [0.9, 0.6, 0.6, 0.6])
    resumed.set_trainer(Engine(lambda engine, batch: None))
    resumed.load_state_dict(broken.state_dict())
    assert resumed.is_exhausted == exhausted
