"""Scores of masks, compared with MONAI's own metrics."""

import pytest
import torch
from monai.data import MetaTensor
from monai.metrics import DiceMetric, HausdorffDistanceMetric, MeanIoU, SurfaceDiceMetric

from monai_vlsm.transforms.score import SCORES, ScoreMaskd

METRICS = {
    "dice": DiceMetric(ignore_empty=False),
    "iou": MeanIoU(ignore_empty=False),
    "hd95": HausdorffDistanceMetric(include_background=True, percentile=95),
    "surface_dice": SurfaceDiceMetric(class_thresholds=[2], include_background=True),
}
SHAPES = {"picture": (37, 50), "row": (1, 60), "pixel": (1, 1), "volume": (9, 12, 7)}


def speckled(shape, seed):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.3


def blob(shape, seed):
    """A box that may touch the border."""
    mask, draw = torch.zeros(shape, dtype=torch.bool), torch.Generator().manual_seed(seed)
    corners = [sorted(torch.randint(0, size + 1, (2,), generator=draw).tolist()) for size in shape]
    mask[tuple(slice(low, high + 1) for low, high in corners)] = True
    return mask


def empty(shape, seed):
    return torch.zeros(shape, dtype=torch.bool)


def full(shape, seed):
    return torch.ones(shape, dtype=torch.bool)


def scores_of(pred, label, **options):
    data = {"pred": pred[None], "label": label[None], "image": "a.png"}
    return ScoreMaskd(**options)(data)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("pred", [speckled, blob, empty, full])
@pytest.mark.parametrize("label", [speckled, blob, empty, full])
@pytest.mark.filterwarnings("ignore:the (prediction|ground truth):UserWarning")
def test_scores_are_exactly_those_of_monais_metrics(shape, pred, label):
    pred, label = pred(shape, seed=1).float(), label(shape, seed=2).float()
    found = scores_of(pred, label)
    for name, metric in METRICS.items():
        expected = metric(pred[None, None], label[None, None])[0]
        torch.testing.assert_close(found[name], expected, atol=0, rtol=0, equal_nan=True, msg=name)


@pytest.mark.parametrize("tolerance", [0, 1, 5.5])
def test_the_tolerance_is_that_of_monai(tolerance):
    pred, label = blob((40, 50), 1), blob((40, 50), 3)
    metric = SurfaceDiceMetric(class_thresholds=[tolerance], include_background=True)
    expected = metric(pred[None, None].float(), label[None, None].float())[0]
    assert torch.equal(scores_of(pred, label, surface_tolerance=tolerance)["surface_dice"], expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.float32])
def test_masks_of_any_type_have_the_same_scores(dtype):
    pred, label = speckled((20, 30), 1), speckled((20, 30), 2)
    found = scores_of(MetaTensor(pred.to(dtype)), label.to(dtype))
    expected = scores_of(pred, label)
    assert {name: found[name].item() for name in SCORES} == {name: expected[name].item() for name in SCORES}


def test_nothing_else_is_changed():
    pred, label = speckled((20, 30), 1), speckled((20, 30), 2)
    found = scores_of(pred, label)
    assert found["image"] == "a.png"
    assert torch.equal(found["pred"][0], pred)
