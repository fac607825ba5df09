from __future__ import annotations

import math

import numpy as np
import pytest

from monai_vlsm.pages.cells import UNKNOWN, Interval, is_numeric, shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.81249, "0.812"),
        (np.float32(0.5), "0.500"),
        (0.0, "0.000"),
        (0.00012, "0.00012"),
        (123.456, "123.5"),
        (12345, "12,345"),
        (np.int64(7), "7"),
        (True, "yes"),
        ("p1", "p1"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        (math.nan, UNKNOWN),
        (math.inf, UNKNOWN),
        (Interval(0.8, 0.75, 0.85), "0.800 (0.750 to 0.850)"),
        (Interval(12, 11, 14.5), "12.000 (11.000 to 14.500)"),
        (Interval(0.8, None, None), "0.800"),
        (Interval(None, None, None), UNKNOWN),
        (Interval(10**400, math.nan, 1), UNKNOWN),
    ],
)
def test_a_value_is_shown_as_people_read_it(value, expected):
    assert shown(value) == expected


@pytest.mark.parametrize(("value", "expected"), [(1, True), (np.float64(1), True), (None, True), ("1", False)])
def test_numbers_and_gaps_between_them_stand_to_the_right(value, expected):
    assert is_numeric(value) == expected
