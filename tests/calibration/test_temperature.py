"""One temperature for all logits."""

from __future__ import annotations

import numpy as np
import pytest
from calibration.synthetic import cases_of

from monai_vlsm.calibration.histograms import CENTERS, count_logits
from monai_vlsm.calibration.temperature import fit_temperature, pixel_nll


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_a_known_temperature_is_found(true):
    found = fit_temperature(*cases_of(40, temperature=true), resamples=200)
    assert found["value"] == pytest.approx(true, rel=0.02)
    low, high = found["ci95"]["value"]
    assert low <= true <= high
    assert high - low < 0.1 * true


def test_the_bins_give_the_likelihood_of_the_pixels():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 9, 20_000).astype(np.float32)
    label = rng.random(logits.size) < 0.3
    exact = np.logaddexp(0, np.where(label, -logits, logits) / 2.0).mean()
    assert pixel_nll(count_logits(logits, label)[None], np.array([2.0]))[0, 0] == pytest.approx(exact, rel=1e-4)


def test_large_images_count_no_more_than_small_ones():
    counts, groups = cases_of(10, temperature=2.0)
    larger = counts.copy()
    larger[0] *= 1000
    assert fit_temperature(larger, groups, 10)["value"] == pytest.approx(fit_temperature(counts, groups, 10)["value"])


def test_masks_without_a_fault_give_no_temperature():
    counts = np.zeros((6, 2, len(CENTERS)), dtype=np.int64)
    counts[:, 0, 100] = counts[:, 1, -100] = 50
    assert "right in almost all pixels" in fit_temperature(counts, "abcdef", 10)["missing"]


def test_an_interval_needs_two_groups():
    counts, groups = cases_of(6, temperature=2.0)
    assert fit_temperature(counts, ["patient"] * len(groups), 10)["ci95"]["value"] == [None, None]


def test_an_interval_by_patient_is_wider_where_patients_repeat():
    counts, groups = cases_of(20, temperature=2.0)
    eightfold = counts.repeat(8, axis=0)
    widths = []
    for names in (range(160), [name for name in groups for _ in range(8)]):
        low, high = fit_temperature(eightfold, names, 300)["ci95"]["value"]
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]
