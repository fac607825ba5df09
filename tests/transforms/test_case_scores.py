"""Tests of the scores of a case on their way into the output of an engine."""

import pytest
import torch
from monai.data import MetaTensor

from monai_vlsm.transforms import CaseScoresd


def scores(look_below=0.9, **meta):
    logits = MetaTensor(torch.zeros(1, 2, 2), meta=meta)
    result = CaseScoresd("pred", look_below)({"pred": logits})
    assert result.pop("pred") is logits
    return result


def test_scores_become_plain_numbers():
    found = scores(agreement=torch.tensor(0.5), mean_probability=torch.tensor([0.75]))
    assert found == {"agreement": 0.5, "mean_probability": 0.75, "look": True}
    assert [type(value) for value in found.values()] == [float, float, bool]


@pytest.mark.parametrize(("probability", "look"), [(0.89, True), (0.9, False), (0.99, False)])
def test_what_is_less_probable_is_to_be_looked_at(probability, look):
    assert scores(mean_probability=probability)["look"] is look


def test_an_agreement_that_is_not_defined_is_left_out():
    assert "agreement" not in scores(agreement=torch.tensor(float("nan")), mean_probability=0.9)


def test_logits_without_scores_say_nothing():
    assert scores() == {}


def test_plain_tensors_say_nothing():
    assert set(CaseScoresd("pred", 0.9)({"pred": torch.zeros(1, 2, 2)})) == {"pred"}
