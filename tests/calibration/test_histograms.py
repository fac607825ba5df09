"""Logits of a case as counts in fine bins."""

from __future__ import annotations

import numpy as np
import pytest

from monai_vlsm.calibration.histograms import CENTERS, EDGES, count_logits
from monai_vlsm.errors import DataError


def test_every_pixel_is_counted_in_the_bin_that_holds_it():
    logits = np.random.default_rng(0).normal(0, 10, (50, 40))
    counts = count_logits(logits, logits > 3)
    assert counts.sum(axis=1).tolist() == [np.sum(logits <= 3), np.sum(logits > 3)]
    assert counts.sum(axis=0).tolist() == np.histogram(logits, EDGES)[0].tolist()


def test_a_logit_of_zero_belongs_above_one_half():
    assert count_logits(np.zeros(1), np.ones(1))[1, EDGES[:-1] >= 0].sum() == 1


def test_bins_are_a_hundredth_of_the_logit_wide_or_less_than_that_of_one():
    width = np.diff(EDGES)
    assert (width <= 0.0101 * np.sqrt(1 + np.maximum(EDGES[1:] ** 2, EDGES[:-1] ** 2))).all()
    assert (EDGES[:-1] < CENTERS).all()
    assert (EDGES[1:] > CENTERS).all()


@pytest.mark.parametrize(("logit", "place"), [(-1e30, 0), (1e30, -1)])
def test_logits_beyond_all_bins_are_counted_in_the_last(logit, place):
    assert count_logits(np.array([logit]), np.array([0]))[0, place] == 1


def test_an_image_is_counted_in_parts(monkeypatch):
    logits = np.random.default_rng(0).normal(0, 5, (7, 11, 13)).astype(np.float32)
    whole = count_logits(logits, logits > 1)
    monkeypatch.setattr("monai_vlsm.calibration.histograms._AT_ONCE", 10)
    assert np.array_equal(count_logits(logits, logits > 1), whole)


@pytest.mark.parametrize("logits", [np.array([0.0, np.nan]), np.array([np.inf]), np.array([])])
def test_what_is_no_number_is_refused(logits):
    with pytest.raises(DataError, match="finite logits"):
        count_logits(logits, np.zeros(logits.shape))
