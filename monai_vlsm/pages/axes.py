"""Axes of a plot: from values to the coordinates of an SVG, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from monai_vlsm.pages.markup import Markup, element, joined

WIDTH, HEIGHT = 460, 300
"""Of a plot, in units of its viewBox."""

LEFT, RIGHT, TOP, BOTTOM = 54, 438, 12, 254
"""Of the area between the axes."""

_TICKS = 5

_LARGEST = 1e300
"""Values from here on count as infinite: a difference of two could not be told."""


@dataclass(frozen=True)
class Axis:
    """What an axis shows.

    Args:
        label: name of the quantity, with its unit.
        low, high: values at its ends.
    """

    label: str
    low: float
    high: float

    @classmethod
    def around(cls, label: str, values: Iterable[ArrayLike], limits: tuple[float, float] | None = None) -> Axis:
        """Return an axis for all finite ``values`` that ends at ticks, or one with the given ``limits``."""
        if limits is not None:
            return cls(label, *limits)
        flat = np.concatenate([np.zeros(0), *(np.ravel(np.asarray(part, dtype=float)) for part in values)])
        finite = flat[np.abs(flat) < _LARGEST]
        if not len(finite):
            return cls(label, 0.0, 1.0)
        low, high = float(finite.min()), float(finite.max())
        if high - low <= 1e-9 * max(1.0, abs(low)):
            low, high = low - 0.5, high + 0.5
        for _ in range(2):  # round ends may need a larger step, and that one rounder ends
            step = _step(high - low)
            low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(label, low, high)

    def ticks(self) -> list[float]:
        """Return round values from one end to the other."""
        step = _step(self.high - self.low)
        first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
        return [number * step for number in range(first, last + 1)]

    def place(self, value: float, start: float, end: float) -> float:
        """Return where ``value`` lies between the coordinates ``start`` and ``end``, cut at both ends."""
        share = (value - self.low) / (self.high - self.low)
        return start + min(1.0, max(0.0, share)) * (end - start)


@dataclass(frozen=True)
class Frame:
    """The two axes of a plot, and where a pair of values lies between them."""

    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the coordinates of a pair of values, to a tenth of a unit."""
        return round(self.x.place(x, LEFT, RIGHT), 1), round(self.y.place(y, BOTTOM, TOP), 1)

    def drawn(self) -> Markup:
        """Return grid, ticks and labels."""
        parts: list[Markup] = []
        for value in self.y.ticks():
            across = self.at(self.x.low, value)[1]
            parts.append(line(LEFT, across, RIGHT, across, "grid"))
            parts.append(words(LEFT - 7, across + 4, _tick_text(value), "end"))
        for value in self.x.ticks():
            along = self.at(value, self.y.low)[0]
            parts.append(line(along, BOTTOM, along, BOTTOM + 4, "axis"))
            parts.append(words(along, BOTTOM + 17, _tick_text(value), "middle"))
        parts.append(line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"))
        middle = (TOP + BOTTOM) / 2
        parts.append(words((LEFT + RIGHT) / 2, HEIGHT - 7, self.x.label, "middle"))
        parts.append(words(13, middle, self.y.label, "middle", transform=f"rotate(-90 13 {middle})"))
        return joined(*parts)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def words(x: float, y: float, text: str, anchor: str, transform: str | None = None) -> Markup:
    """Return a text; ``anchor`` is start, middle or end."""
    shortened = text if len(text) <= 60 else f"{text[:57]}..."
    return element("text", shortened, x=x, y=y, text_anchor=anchor, transform=transform)


def _step(span: float) -> float:
    """Return 1, 2 or 5 times a power of ten, of which about five make up ``span``."""
    power = 10.0 ** math.floor(math.log10(span / _TICKS))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * _TICKS >= span * (1 - 1e-9))


def _tick_text(value: float) -> str:
    return f"{value:,.10g}" if not value or 1e-4 <= abs(value) < 1e7 else f"{value:.3g}"
