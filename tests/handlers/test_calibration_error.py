"""The calibration error is that of MONAI's metric."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from calibration.synthetic import cases_of
from monai.metrics import CalibrationErrorMetric
from scipy.special import expit

from monai_vlsm.calibration.histograms import CENTERS, count_logits
from monai_vlsm.handlers.calibration_error import calibration_errors, expected_error


def test_from_bins_it_is_that_of_the_pixels_by_monais_metric():
    rng = np.random.default_rng(0)
    logits = rng.normal(-2, 4, (3, 1, 80, 60)).astype(np.float32)
    label = rng.random(logits.shape) < expit(logits / 3)
    metric = CalibrationErrorMetric()
    metric(y_pred=torch.from_numpy(expit(logits / 2)), y=torch.from_numpy(label).float())
    counts = np.stack([count_logits(*case) for case in zip(logits, label, strict=True)])
    assert calibration_errors(counts, range(3), 2.0)["ece_after"] == pytest.approx(float(metric.aggregate()), abs=2e-3)


def test_it_is_zero_where_probabilities_are_true_and_not_before():
    found = calibration_errors(*cases_of(8, temperature=3.0, pixels=100_000), temperature=3.0)
    assert found["ece_after"] < 0.01
    assert found["ece_before"] > 0.1


def test_a_large_image_is_not_rounded_off():
    """Added up in single precision at once, ten million pixels of one value are several percent off."""
    logit = CENTERS[750]
    counts = count_logits(np.full(1, logit), np.zeros(1))[None] * 10_000_000
    found = calibration_errors(counts, range(1), 1.0)
    assert found["ece_before"] == pytest.approx(expit(logit), rel=1e-3)
    assert found["reliability"]["before"]["pixels"][0] == 10_000_000


def test_a_reliability_curve_has_null_where_there_is_no_pixel():
    curve = calibration_errors(*cases_of(2, temperature=1.0), temperature=1.0)["reliability"]["after"]
    assert [len(values) for values in curve.values()] == [20, 20, 20]
    assert all(
        (value is None) == (pixels == 0) for value, pixels in zip(curve["predicted"], curve["pixels"], strict=True)
    )


def test_the_error_of_known_bins():
    sums = np.array([[1.0, 6.0], [3.0, 6.0], [10.0, 10.0]])
    assert expected_error(sums) == pytest.approx(0.1)
