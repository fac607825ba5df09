from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.pages import Line, histogram, line_plot, reliability_diagram, risk_coverage_plot
from monai_vlsm.pages.axes import BOTTOM, LEFT, RIGHT, TOP, Axis

NAN = float("nan")


def coordinates(markup: str) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for points in re.findall(r'points="([^"]*)"', markup) for pair in points.split()]
    return [(float(x), float(y)) for x, y in pairs]


@pytest.mark.parametrize(
    ("values", "ends", "ticks"),
    [
        ([0, 1], (0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([3, 47, NAN], (0, 50), [0, 10, 20, 30, 40, 50]),
        ([5], (4, 6), [4, 4.5, 5, 5.5, 6]),
        ([], (0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([1e308, -1e308], (0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ([-2e-5, 1e-5], (-2e-5, 1e-5), [-2e-5, -1e-5, 0, 1e-5]),
    ],
)
def test_an_axis_has_round_ticks(values, ends, ticks):
    axis = Axis.around("x", [values])
    assert (axis.low, axis.high) == pytest.approx(ends)
    assert axis.ticks() == pytest.approx(ticks)


def test_corners_of_the_values_are_corners_of_the_plot():
    plot = line_plot([Line("a", [0, 1], [0, 10])], "x", "y", alt="a")
    assert coordinates(plot) == [(LEFT, BOTTOM), (RIGHT, TOP)]


def test_values_beyond_the_limits_stay_inside_the_plot():
    plot = line_plot([Line("a", [-5, 1e308], [-1e308, 9])], "x", "y", alt="a", x_limits=(0, 1), y_limits=(0, 1))
    assert coordinates(plot) == [(LEFT, BOTTOM), (RIGHT, TOP)]


def test_a_gap_interrupts_a_line_and_a_point_alone_is_a_dot():
    plot = line_plot([Line("a", range(6), [0, 1, NAN, 3, NAN, 5])], "x", "y", alt="a")
    assert [len(points.split()) for points in re.findall(r'<polyline points="([^"]*)"', plot)] == [2, 1, 1]
    assert plot.count("<circle") == 2


def test_a_long_line_keeps_its_ends_and_few_points():
    plot = line_plot([Line("a", range(100_000), range(100_000))], "x", "y", alt="a")
    found = coordinates(plot)
    assert len(found) == 400
    assert (found[0], found[-1]) == ((LEFT, BOTTOM), (RIGHT, TOP))


@pytest.mark.parametrize("line", [Line("a", [1, 2], [1]), Line("a", [1], [1], low=[0])])
def test_series_that_do_not_fit_each_other_are_refused(line):
    with pytest.raises(DataError, match="the line 'a' must have as many values"):
        line_plot([line], "x", "y", alt="a")


@pytest.mark.parametrize(
    "plot",
    [
        line_plot([Line("<x>", [NAN], [NAN], [NAN], [NAN])], '"<', "'<", alt='"<script>', caption="<script>"),
        line_plot([], "x", "y", alt="nothing"),
        reliability_diagram([Line("a", [0.1, 0.9], [0.2, 0.8], [0.1, 0.7], [0.3, 0.9])], alt="a"),
        risk_coverage_plot([Line("a", [0.5, 1], [0.1, 0.2])], alt="a"),
        histogram({"<a>": [0.1, NAN], "b": []}, "x", alt="a"),
        histogram({}, "x", alt="nothing"),
    ],
    ids=["hostile", "no lines", "reliability", "risk", "histogram", "no groups"],
)
def test_every_plot_is_sound_markup_without_foreign_elements(plot):
    tree = ElementTree.fromstring(plot)
    assert tree.find("svg") is not None
    assert not tree.findall(".//script")


def test_a_histogram_counts_every_value_once():
    plot = histogram({"a": [0, 0, 0.5, 1, NAN]}, "x", alt="a", limits=(0, 1), bins=2)
    heights = [float(height) for height in re.findall(r'height="([^"]*)" class="bar s0"', plot)]
    # Two fall below 0.5, and two from there on; the first sample belongs to the legend.
    assert len(heights) == 3
    assert heights[0] == heights[1] == BOTTOM - TOP
    assert "a (4)" in plot
