"""Tests of the settings that TensorBoard compares."""

from types import SimpleNamespace

import pytest
from ignite.engine import Engine
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import SummaryWriter

from monai_vlsm.handlers import TensorBoardHparams


def logged(folder, best, epoch):
    """Return what a training of two epochs leaves, whose best validation was that."""
    writer, trainer = SummaryWriter(str(folder)), Engine(lambda engine, batch: None)
    evaluator = SimpleNamespace(state=SimpleNamespace(best_metric=best, best_metric_epoch=epoch))
    values = {"method": "dense", "learning_rate": 1e-3, "adapt_text": True, "bottleneck": None, "levels": ["p1", "p2"]}
    TensorBoardHparams(writer, values, evaluator).attach(trainer)
    trainer.run([0], max_epochs=2)
    writer.close()
    return EventAccumulator(str(folder)).Reload()


@pytest.fixture
def events(tmp_path):
    return logged(tmp_path, 0.75, 1)


def test_settings_are_numbers_or_texts_and_those_without_value_are_left_out(events):
    content = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    found = HParamsPluginData.FromString(content).session_start_info.hparams
    assert {name: value.WhichOneof("kind") for name, value in found.items()} == {
        "method": "string_value",
        "learning_rate": "number_value",
        "adapt_text": "string_value",
        "levels": "string_value",
    }


def test_the_result_is_the_best_validation(events):
    content = events.summary_metadata["_hparams_/experiment"].plugin_data.content
    (metric,) = HParamsPluginData.FromString(content).experiment.metric_infos
    assert [(event.step, event.value) for event in events.Scalars(metric.name.tag)] == [(2, 0.75)]


def test_without_a_validation_there_is_no_result(tmp_path):
    assert not logged(tmp_path, -1, -1).Tags()["scalars"]
