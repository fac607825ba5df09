"""How values stand in a table or a list: numbers with as many digits as a reader can use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from numbers import Integral, Real
from typing import Any

_LARGEST = 1e300

UNKNOWN = "\N{EN DASH}"
"""Stands where there is no value: None, NaN and infinities."""


@dataclass(frozen=True)
class Interval:
    """A number with its interval, ``0.812 (0.790 to 0.830)``; None and NaN are unknown.

    Args:
        value: for example a mean.
        low, high: bounds, in the same unit.
    """

    value: float | None
    low: float | None
    high: float | None

    def parts(self) -> tuple[str, str]:
        """Return the number and its bounds as people read them; the bounds are empty where one is unknown."""
        middle, low, high = (_real(float(number)) if is_known(number) else UNKNOWN for number in astuple(self))
        return middle, "" if UNKNOWN in (low, high) else f"{low} to {high}"


def shown(value: object) -> str:
    """Return a value as people read it: three decimals, thousands with commas, yes and no."""
    if isinstance(value, Interval):
        middle, bounds = value.parts()
        return f"{middle} ({bounds})" if bounds else middle
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    return _real(float(value)) if isinstance(value, Real) else str(value)


def is_known(value: object) -> bool:
    """Tell whether a value is a number that can be shown: finite, and no whole number of hundreds of digits."""
    number: Any = value
    return isinstance(value, Real) and not isinstance(value, bool) and bool(abs(number) < _LARGEST)


def told_interval(told: Mapping[str, Any], mean: str, bounds: str = "ci95") -> Interval:
    """Return a number and its interval out of a file of others; what is no number is unknown.

    Args:
        told: values by name.
        mean: name of the number.
        bounds: name of its two bounds.
    """
    pair = told.get(bounds)
    numbers = (told.get(mean), *(pair if isinstance(pair, list) and len(pair) == 2 else (None, None)))
    return Interval(*(number if is_known(number) else None for number in numbers))


def is_numeric(value: object) -> bool:
    """Tell whether a value belongs to the right of its column: numbers, intervals, and what is unknown."""
    return value is None or isinstance(value, Interval) or (isinstance(value, Real) and not isinstance(value, bool))


def _real(value: float) -> str:
    if not math.isfinite(value):
        return UNKNOWN
    if value and not 0.0005 <= abs(value) < 1e9:
        return f"{value:.2g}"
    return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.1f}"
