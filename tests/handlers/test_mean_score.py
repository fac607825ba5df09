"""Means of scores that outputs have already."""

import math

import pytest
import torch
from ignite.engine import Engine

from monai_vlsm.handlers import MeanScore


@pytest.fixture
def engine():
    """Gives two images per iteration, each with a score."""
    engine = Engine(lambda engine, batch: [{"hd95": torch.tensor([score])} for score in batch])
    MeanScore("hd95").attach(engine, "distance")
    return engine


@pytest.mark.parametrize("undefined", [math.nan, 5.0])
def test_the_mean_leaves_undefined_scores_out(engine, undefined):
    engine.run([[1.0, 3.0], [undefined]])
    assert engine.state.metrics["distance"] == pytest.approx(2.0 if math.isnan(undefined) else 3.0)


def test_the_score_of_every_image_is_kept(engine):
    engine.run([[1.0, 3.0], [math.nan]])
    torch.testing.assert_close(
        engine.state.metric_details["distance"], torch.tensor([[1.0], [3.0], [math.nan]]), equal_nan=True
    )


def test_a_second_run_starts_anew(engine):
    engine.run([[1.0, 3.0]])
    engine.run([[7.0]])
    assert engine.state.metric_details["distance"].tolist() == [[7.0]]
