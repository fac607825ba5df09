"""Metrics of whole batches give what MONAI's give image by image."""

from __future__ import annotations

import pytest
import torch
from monai.losses import DiceCELoss
from monai.metrics import DiceMetric, LossMetric

from monai_vlsm.handlers import BatchDiceMetric, BatchLossMetric


def masks(share, size=5):
    return (torch.rand(size, 1, 12, 12, generator=torch.Generator().manual_seed(0)) < share).float()


@pytest.mark.parametrize("pred", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("label", [0.0, 0.6, 1.0])
def test_the_dice_of_a_batch_is_monais_also_of_empty_and_full_masks(pred, label):
    own, monais = (metric(masks(pred), masks(label)) for metric in (BatchDiceMetric(), DiceMetric(ignore_empty=False)))
    assert own.shape == (5, 1)
    torch.testing.assert_close(own, monais)


def test_empty_and_other_masks_do_not_disturb_each_other():
    pred, label = masks(0.5), masks(0.5).flip(0)
    pred[:2], label[1:3] = 0, 0
    torch.testing.assert_close(BatchDiceMetric()(pred, label), DiceMetric(ignore_empty=False)(pred, label))


def batches(metric, pred, label):
    """Return the mean over a batch of four and one of one image."""
    for part in (slice(4), slice(4, 5)):
        metric(pred[part], label[part])
    return metric.aggregate().item()


def test_the_mean_dice_does_not_depend_on_the_batches():
    whole = DiceMetric(ignore_empty=False)
    whole(masks(0.3), masks(0.6))
    assert batches(BatchDiceMetric(), masks(0.3), masks(0.6)) == pytest.approx(whole.aggregate().item(), abs=1e-7)


def test_the_mean_loss_is_that_of_single_images_where_the_last_batch_is_smaller():
    loss, label = DiceCELoss(sigmoid=True, lambda_dice=1.5), masks(0.6)
    logits = torch.randn(label.shape, generator=torch.Generator().manual_seed(1)) * torch.arange(5.0).view(5, 1, 1, 1)
    single = LossMetric(loss)
    for index in range(5):
        single(logits[index, None], label[index, None])
    expected = single.aggregate().item()
    assert batches(BatchLossMetric(loss), logits, label) == pytest.approx(expected, abs=1e-6)
    assert batches(LossMetric(loss), logits, label) != pytest.approx(expected, abs=1e-6), "MONAI's own would do"
