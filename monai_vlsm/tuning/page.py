"""A page on a search: the trials, what each key does to the Dice, and the course of each trial."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from monai_vlsm.pages import Line, Markup, Page, line_plot
from monai_vlsm.pages.plots import SERIES, UNIT
from monai_vlsm.tuning.results import Row
from monai_vlsm.tuning.space import Range, Space, fits

_MOST_COURSES = 10 * SERIES
_CAUTION = (
    "Each Dice is the best of all validations of a trial, and the best trial was chosen by it: on images that no trial "
    "has seen it will be lower. Evaluate the best one on the test split before you say how good it is."
)


def search_page(name: str, rows: Sequence[Row], space: Space, command: str) -> Page:
    """Return the page.

    Args:
        name: of the bundle.
        rows: trials, the best first.
        space: what was searched.
        command: that trains the best trial again, or "".
    """
    page = Page(f"{name}: {len(rows)} trials", "Values of a training, searched by the Dice of its validation.")
    page.section("Trials")
    page.text(_CAUTION)
    if command:
        page.text("This trains the best trial again, in the folder of the bundle:")
        page.command(command)
    keys = list(space.varied)
    header = ["trial", "outcome", "Dice", "epochs", *keys, "error"]
    page.table(header, [_cells(row, keys) for row in rows], "Trials by their Dice")
    page.section("What each key does")
    for key, part in space.varied.items():
        having = [row for row in rows if key in row.values and fits(key, space.method_of(row.values))]
        if isinstance(part, Range):
            page.plots(_scatter(key, part, having))
        else:
            page.table(["choice", "trials", "best Dice", "mean Dice"], list(_by_choice(key, part.values, having)), key)
    page.section("Courses")
    known = [row for row in rows if row.course][:_MOST_COURSES]
    page.plots(*(_courses(known[start : start + SERIES]) for start in range(0, len(known), SERIES)))
    if len(known) < len(rows):
        page.text(f"{len(rows) - len(known)} trials are not shown: those without a validation, and the last of many.")
    return page


def _cells(row: Row, keys: Sequence[str]) -> list[object]:
    return [str(row.number), row.outcome, row.dice, row.epochs, *map(row.told, keys), row.error]


def _scatter(key: str, part: Range, rows: Sequence[Row]) -> Markup:
    def place(row: Row) -> float:
        return math.log10(row.values[key]) if part.log else row.values[key]

    lines = []
    for outcome in dict.fromkeys(row.outcome for row in rows):
        pairs = [(place(row), row.dice) for row in rows if row.outcome == outcome and row.dice is not None]
        lines.append(Line(outcome, [x for x, _ in pairs], [y for _, y in pairs], joined=False))
    label = f"log10 of {key}" if part.log else key
    return line_plot(lines, label, "Dice", f"The Dice of each trial over {label}.")


def _by_choice(key: str, choices: Sequence[Any], rows: Sequence[Row]) -> Iterator[list[object]]:
    for choice in choices:
        found = [row.dice for row in rows if row.values[key] == choice and row.dice is not None]
        yield [
            "null" if choice is None else str(choice),
            len(found),
            max(found, default=None),
            fmean(found) if found else None,
        ]


def _courses(rows: Sequence[Row]) -> Markup:
    lines = [Line(f"trial {row.number}", list(row.course), list(row.course.values())) for row in rows]
    return line_plot(lines, "epoch", "Dice of the validation", "The Dice after each epoch.", y_limits=UNIT)
