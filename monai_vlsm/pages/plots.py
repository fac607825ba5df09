"""Plots as SVG inside a page: their colors follow light and dark, and each series differs by its stroke, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monai_vlsm.errors import DataError
from monai_vlsm.pages.axes import BOTTOM, HEIGHT, WIDTH, Axis, Frame, line
from monai_vlsm.pages.markup import Markup, element, joined

SERIES = 6
"""Colors and strokes that can be told apart; further series begin anew."""

_MOST_POINTS = 400
"""Of a line; more than its width shows make the page heavy."""

UNIT = (0.0, 1.0)
"""Limits of an axis of shares, probabilities and Dice."""


@dataclass(frozen=True)
class Line:
    """A series of points (x, y) in order; those that are not finite interrupt the line.

    Args:
        name: for the legend.
        x, y: as many values each.
        low, high: bounds of a band around ``y``.
        points: whether each point gets a dot.
        joined: whether a line leads from point to point.
    """

    name: str
    x: ArrayLike
    y: ArrayLike
    low: ArrayLike | None = None
    high: ArrayLike | None = None
    points: bool = False
    joined: bool = True


def line_plot(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    alt: str,
    x_limits: tuple[float, float] | None = None,
    y_limits: tuple[float, float] | None = None,
    diagonal: str = "",
    caption: str = "",
) -> Markup:
    """Plot lines, each with a band where it has one.

    Args:
        lines: what to plot.
        x_label, y_label: names of the axes, with units.
        alt: what the plot shows, for those who cannot see it.
        x_limits, y_limits: ends of the axes; None is where the values end.
        diagonal: name of a dotted line from corner to corner; empty is none.
        caption: written below.

    Raises:
        DataError: if a line has not as many values in each of its series.
    """
    series = [_arrays(item) for item in lines]
    frame = Frame(
        Axis.around(x_label, [item["x"] for item in series], x_limits),
        Axis.around(y_label, [values for item in series for key, values in item.items() if key != "x"], y_limits),
    )
    parts = [frame.drawn()]
    if diagonal:
        parts.append(line(*frame.at(frame.x.low, frame.y.low), *frame.at(frame.x.high, frame.y.high), "diagonal"))
    bands = [_band(frame, item, number) for number, item in enumerate(series) if "low" in item]
    strokes = [
        _stroke(frame, values, number, item) for number, (item, values) in enumerate(zip(lines, series, strict=True))
    ]
    names = [(item.name, f"series s{number % SERIES}") for number, item in enumerate(lines)]
    return _figure([*parts, *bands, *strokes], [*names, *([(diagonal, "diagonal")] if diagonal else [])], alt, caption)


def reliability_diagram(lines: Sequence[Line], alt: str, caption: str = "") -> Markup:
    """Plot observed shares (y) over predicted probabilities (x), a dot per bin, beside the diagonal of perfection."""
    dotted = [Line(item.name, item.x, item.y, item.low, item.high, points=True) for item in lines]
    return line_plot(
        dotted, "predicted probability", "observed share", alt, UNIT, UNIT, "perfectly calibrated", caption
    )


def risk_coverage_plot(lines: Sequence[Line], alt: str) -> Markup:
    """Plot the mean risk (y) of the share of cases that are kept (x), those with the best score first."""
    return line_plot(lines, "share of cases kept", "mean risk (1 - Dice)", alt, x_limits=UNIT)


def histogram(
    groups: Mapping[str, ArrayLike],
    x_label: str,
    alt: str,
    limits: tuple[float, float] | None = None,
    bins: int = 20,
    caption: str = "",
) -> Markup:
    """Plot how many values of each group fall into each bin, the groups over each other; values that are not finite
    are left out.

    Args:
        groups: values by name of the group.
        x_label: name of the values, with their unit.
        alt: what the plot shows, for those who cannot see it.
        limits: ends of the axis of values; None is where they end.
        bins: how many.
        caption: written below.
    """
    values = {name: _finite(group) for name, group in groups.items()}
    x = Axis.around(x_label, values.values(), limits)
    edges = np.linspace(x.low, x.high, bins + 1)
    counts = {name: np.histogram(np.clip(group, x.low, x.high), edges)[0] for name, group in values.items()}
    highest = max([1, *(int(count.max()) for count in counts.values())])
    frame = Frame(x, Axis.around("cases", [[0, highest]]))
    bars = [_bars(frame, edges, count, number) for number, count in enumerate(counts.values())]
    names = [
        (f"{name} ({len(group):,})", f"bar s{number % SERIES}") for number, (name, group) in enumerate(values.items())
    ]
    return _figure([frame.drawn(), *bars], names, alt, caption)


def _arrays(item: Line) -> dict[str, NDArray[np.float64]]:
    """Return the values of a line; of a long one so many that its shape can be seen."""
    given = {"x": item.x, "y": item.y, "low": item.low, "high": item.high}
    arrays = {key: np.ravel(np.asarray(values, dtype=float)) for key, values in given.items() if values is not None}
    if len({len(values) for values in arrays.values()}) > 1 or ("low" in arrays) != ("high" in arrays):
        sizes = ", ".join(f"{key}: {len(values)}" for key, values in arrays.items())
        raise DataError(f"the line {item.name!r} must have as many values in x, y and its two bounds, not {sizes}.")
    count = len(arrays["x"])
    kept = np.unique(np.linspace(0, max(0, count - 1), min(count, _MOST_POINTS)).round().astype(int))
    return {key: values[kept] for key, values in arrays.items()}


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    flat = np.ravel(np.asarray(values, dtype=float))
    return flat[np.isfinite(flat)]


def _runs(*series: NDArray[np.float64]) -> list[list[tuple[float, ...]]]:
    """Return what belongs together at each point, cut wherever something is not finite."""
    points = [tuple(map(float, point)) for point in zip(*series, strict=True)]
    return [list(run) for finite, run in groupby(points, lambda point: bool(np.isfinite(point).all())) if finite]


def _stroke(frame: Frame, values: Mapping[str, NDArray[np.float64]], number: int, item: Line) -> Markup:
    class_ = f"series s{number % SERIES}"
    runs = [[frame.at(*pair) for pair in run] for run in _runs(values["x"], values["y"])]
    strokes = [element("polyline", points=_places(run), class_=class_) for run in runs if item.joined]
    alone = [pair for run in runs for pair in run if item.points or not item.joined or len(run) == 1]
    return joined(*strokes, *(element("circle", cx=x, cy=y, r=3, class_=f"dot s{number % SERIES}") for x, y in alone))


def _band(frame: Frame, values: Mapping[str, NDArray[np.float64]], number: int) -> Markup:
    areas = []
    for run in _runs(values["x"], values["low"], values["high"]):
        there = [frame.at(x, high) for x, _, high in run]
        back = [frame.at(x, low) for x, low, _ in reversed(run)]
        areas.append(element("polygon", points=_places(there + back), class_=f"band s{number % SERIES}"))
    return joined(*areas)


def _bars(frame: Frame, edges: NDArray[np.float64], counts: NDArray[np.int64], number: int) -> Markup:
    bars = []
    for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
        x, y = frame.at(left, int(count))
        width = round(frame.at(right, 0)[0] - x - 1, 1)
        if count:
            height = round(BOTTOM - y, 1)
            bars.append(element("rect", x=x, y=y, width=width, height=height, class_=f"bar s{number % SERIES}"))
    return joined(*bars)


def _places(pairs: Sequence[tuple[float, float]]) -> Markup:
    return Markup(" ".join(f"{x:g},{y:g}" for x, y in pairs))


def _figure(parts: Sequence[Markup], names: Sequence[tuple[str, str]], alt: str, caption: str) -> Markup:
    drawing = element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=alt)
    legend = element("ul", *(_legend(name, class_) for name, class_ in names), class_="legend") if names else ""
    return element("figure", drawing, legend, element("figcaption", caption) if caption else "", class_="plot")


def _legend(name: str, class_: str) -> Markup:
    is_bar = class_.startswith("bar")
    sample = element("rect", x=5, y=1, width=16, height=10, class_=class_) if is_bar else line(1, 6, 25, 6, class_)
    return element("li", element("svg", sample, viewBox="0 0 26 12", aria_hidden="true"), element("span", name))
