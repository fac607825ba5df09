"""Runs on the same cases compared, each with the first."""

from __future__ import annotations

import string
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monai_vlsm.data.tables import write_table
from monai_vlsm.errors import DataError
from monai_vlsm.reports.runs import Run
from monai_vlsm.statistics import Paired, compare_paired, holm
from monai_vlsm.statistics.columns import DISTANCES
from monai_vlsm.statistics.intervals import RESAMPLES, Floats

LETTERS = string.ascii_uppercase

_SAME_SETTINGS = {
    "split": "splits",
    "prompt_level": "prompt levels",
    "surface_tolerance_pixels": "tolerances of the surface Dice",
}


@dataclass(frozen=True)
class Comparison:
    """Runs on the same cases, and how the later ones differ from the first.

    Args:
        runs: their rows in the order of the first run.
        places: of the rows of each run, in its own table.
        tests: for each later run the result of each metric.
        p_bootstrap, p_wilcoxon: of these, corrected where there are several later runs.
    """

    runs: Sequence[Run]
    places: Sequence[Sequence[int]]
    tests: Sequence[Mapping[str, Paired]]
    p_bootstrap: Sequence[Mapping[str, float | None]]
    p_wilcoxon: Sequence[Mapping[str, float | None]]

    @property
    def letters(self) -> str:
        """Return a letter for each run."""
        return LETTERS[: len(self.runs)]

    def method(self) -> str:
        """Say how intervals and p-values came about."""
        cases, groups = len(self.runs[0].rows), len(set(units_of(self.runs[0])))
        if self.runs[0].groups:
            unit = "groups (patients or sequences), each drawn and ranked as a whole"
        else:
            unit = "images, taken for independent of each other, as the tables name no groups (patients)"
        tests = len(self.tests)
        corrected = f" P-values are corrected by Holm over the {tests} runs of each metric." if tests > 1 else ""
        return (
            f"{cases} cases of {groups} {unit}. 95 % intervals and the first p-value: paired bootstrap of the "
            f"mean difference, {RESAMPLES} resamples; the second: Wilcoxon's signed-rank test.{corrected}"
        )


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Compare each run with the first, in every metric; rows about absent targets are left out.

    Raises:
        DataError: if there are fewer than 2 runs or more than letters, or they are not about the same cases.
    """
    if not 2 <= len(runs) <= len(LETTERS):
        raise DataError(f"expected 2 to {len(LETTERS)} runs to compare, got {len(runs)}.")
    there = [[at for at, row in enumerate(run.rows) if row["label"]] for run in runs]
    shown = [_in_order(run, places) for run, places in zip(runs, there, strict=True)]
    if not all(there):
        raise DataError(f"expected cases with a mask in {str(runs[there.index([])].table)!r}, got absent targets only.")
    orders = [range(len(there[0])), *(_matched(shown[0], run) for run in shown[1:])]
    first, *others = ordered = [_in_order(run, order) for run, order in zip(shown, orders, strict=True)]
    units = units_of(first)
    tests = [
        {
            name: compare_paired(values, other.metrics[name], units, name in DISTANCES)
            for name, values in first.metrics.items()
        }
        for other in others
    ]
    places = [[rows[at] for at in order] for rows, order in zip(there, orders, strict=True)]
    return Comparison(ordered, places, tests, _corrected(tests, "p_bootstrap"), _corrected(tests, "p_wilcoxon"))


def units_of(run: Run) -> Sequence[str]:
    """Return what is drawn as a whole, for each row: its group, or its image where groups are not known."""
    return run.groups or [case.image for case in run.cases]


def spread(comparison: Comparison, metric: str) -> Floats:
    """Return how far the runs lie apart in each case: (N,), NaN where one of them is undefined."""
    values = np.stack([run.metrics[metric] for run in comparison.runs])
    return values.max(axis=0) - values.min(axis=0)


def as_text(comparison: Comparison) -> str:
    """Return the comparison for a screen."""
    named = zip(comparison.letters, comparison.runs, strict=True)
    lines = [f"{letter}  {run.table}{_told(run.settings)}" for letter, run in named]
    lines += ["", *textwrap.wrap(comparison.method(), 120)]
    for number, (letter, tests) in enumerate(zip(comparison.letters[1:], comparison.tests, strict=True)):
        header = {"A": _WIDTH, letter: _WIDTH, **_COLUMNS}
        lines += ["", f"{letter} - A".ljust(14) + "".join(name.rjust(width) for name, width in header.items())]
        for metric, test in tests.items():
            p_values = [p[number][metric] for p in (comparison.p_bootstrap, comparison.p_wilcoxon)]
            cells = zip(_cells(test, p_values), header.values(), strict=True)
            lines.append(f"{metric:<14}" + "".join(cell.rjust(width) for cell, width in cells))
    return "\n".join(lines)


def write_differences(comparison: Comparison, path: Path) -> None:
    """Write a row per case: all metrics of all runs, and the differences from the first.

    Undefined values are empty.
    """
    rows = list(_differences(comparison))
    write_table(path, list(rows[0]), rows)


_WIDTH = 11
_COLUMNS = {
    "difference": 12, "95 % interval": 24, "p bootstrap": 13, "p Wilcoxon": 12,
    "better": 8, "equal": 7, "worse": 7, "left out": 10,
}  # fmt: skip


def _cells(test: Paired, p_values: Sequence[float | None]) -> list[str]:
    left_out = test.undefined
    return [
        *(_number(mean) for mean in test.means),
        _number(test.difference, "+"),
        f"{_number(test.ci95[0], '+')} to {_number(test.ci95[1], '+')}",
        *map(_p_value, p_values),
        *(str(count) for count in (test.wins, test.ties, test.losses)),
        f"{left_out[0]} / {left_out[1]}",
    ]


def _p_value(value: float | None) -> str:
    return "-" if value is None else "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.4f}"


def _told(settings: Mapping[str, Any]) -> str:
    if not settings:
        return "  (no summary: split and prompt level are not known, images and prompts were compared)"
    told = [str(settings[key])[:200] for key in ("model", "split", "prompt_level") if key in settings]
    # Not to be sent to a terminal, which takes control characters for commands.
    return f"  ({''.join(sign if sign.isprintable() else '?' for sign in ', '.join(told))})"


def _differences(comparison: Comparison) -> Iterator[dict[str, Any]]:
    first = comparison.runs[0]
    for at, (case, group) in enumerate(zip(first.cases, first.groups or [""] * len(first.cases), strict=True)):
        row: dict[str, Any] = {"image": case.image, "label": case.label, "group": group, "prompt": case.prompt}
        for metric, values in first.metrics.items():
            numbers = [float(run.metrics[metric][at]) for run in comparison.runs]
            named = dict(zip((f"{letter} {metric}" for letter in comparison.letters), numbers, strict=True))
            apart = {f"{letter}-A {metric}": number - values[at] for letter, number in _later(comparison, numbers)}
            row |= {name: "" if np.isnan(number) else number for name, number in {**named, **apart}.items()}
        yield row


def _later(comparison: Comparison, numbers: Sequence[float]) -> Iterator[tuple[str, float]]:
    yield from zip(comparison.letters[1:], numbers[1:], strict=True)


def _corrected(tests: Sequence[Mapping[str, Paired]], p_value: str) -> list[dict[str, float | None]]:
    by_metric = {name: holm([getattr(test[name], p_value) for test in tests]) for name in tests[0]}
    return [{name: values[number] for name, values in by_metric.items()} for number in range(len(tests))]


def _in_order(run: Run, order: Sequence[int]) -> Run:
    return replace(
        run,
        rows=[run.rows[at] for at in order],
        cases=[run.cases[at] for at in order],
        metrics={name: values[list(order)] for name, values in run.metrics.items()},
    )


def _matched(first: Run, other: Run) -> list[int]:
    """Return the places in ``other`` of the cases of ``first``; refuse what is not comparable."""
    pair = f"{str(first.table)!r} and {str(other.table)!r}"
    for key, what in _SAME_SETTINGS.items():
        values = [run.settings[key] for run in (first, other) if key in run.settings]
        if len(values) == 2 and values[0] != values[1]:
            told = " and ".join(repr(str(value)[:60]) for value in values)
            raise DataError(f"{pair} have other {what}, {told}: evaluate both alike.")
    _require_same_metrics(first, other, pair)
    _require_same_cases(first, other, pair)
    place = {case: at for at, case in enumerate(other.cases)}
    order = [place[case] for case in first.cases]
    for what, column in (("masks", "label_pixels"), ("groups", "group")):
        for at, row in zip(order, first.rows, strict=True):
            if row.get(column, "") != other.rows[at].get(column, ""):
                raise DataError(
                    f"{pair} have other {what}: {column} of {row['image']!r} is {row.get(column, '')!r} and "
                    f"{other.rows[at].get(column, '')!r}. Are they of one data set? Evaluate both anew."
                )
    return order


def _require_same_metrics(first: Run, other: Run, pair: str) -> None:
    apart = sorted(first.metrics.keys() ^ other.metrics.keys())
    if apart:
        raise DataError(f"{pair} have other columns, {', '.join(apart)} in one only: evaluate both alike.")


def _require_same_cases(first: Run, other: Run, pair: str) -> None:
    only = [sorted(set(run.cases) - set(rest.cases)) for run, rest in ((first, other), (other, first))]
    if not any(only):
        return
    example = (only[0] or only[1])[0]
    shown = [{(case.image, case.label) for case in run.cases} for run in (first, other)]
    if shown[0] == shown[1]:
        raise DataError(
            f"{pair} have other prompts, of {example.image!r} for one: that tells prompts apart, not models. Evaluate "
            "both at one prompt level."
        )
    raise DataError(
        f"{pair} are about other images or masks: {len(only[0])} cases are in the first only and {len(only[1])} in the "
        f"second only, {example.image!r} ({example.label!r}) for one. Evaluate both on one split of one data set."
    )
