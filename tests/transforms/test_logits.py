"""Masks out of logits."""

from __future__ import annotations

import pytest
import torch
from monai.transforms import Activationsd, AsDiscreted, Compose

from monai_vlsm.transforms import LogitsToMaskd

LOGITS = torch.linspace(-30, 30, 3 * 601).view(3, 1, 601)


@pytest.mark.parametrize("threshold", [0, 0.001, 0.25, 0.5, 0.9, 1 - 1e-6])
def test_masks_are_those_of_monais_sigmoid_and_threshold(threshold):
    monais = Compose([Activationsd("pred", sigmoid=True), AsDiscreted("pred", threshold=threshold)])
    expected = torch.as_tensor(monais({"pred": LOGITS})["pred"])
    mask = LogitsToMaskd("pred", threshold)({"pred": LOGITS})["pred"]
    assert (mask.dtype, mask.shape) == (torch.float32, LOGITS.shape)
    assert torch.equal(mask, expected)


def test_with_a_threshold_of_1_nothing_is_mask():
    assert not LogitsToMaskd("pred", 1)({"pred": LOGITS})["pred"].any()


def test_logits_stay_and_are_not_copied():
    result = LogitsToMaskd("pred", 0.5)({"pred": LOGITS})
    assert result["logits"].data_ptr() == LOGITS.data_ptr()
    assert not torch.equal(result["logits"], result["pred"])


def test_no_graph_is_kept():
    result = LogitsToMaskd("pred", 0.5)({"pred": LOGITS.clone().requires_grad_()})
    assert not result["pred"].requires_grad
    assert not result["logits"].requires_grad
