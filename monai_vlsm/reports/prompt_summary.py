"""How a network followed its prompts, group by group, with intervals: as files, and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_vlsm.data.names import stem_of
from monai_vlsm.data.tables import write_table
from monai_vlsm.pages import Interval, Page, Picture
from monai_vlsm.reports.prompt_answers import Row
from monai_vlsm.reports.prompt_groups import ABOUT, FULL, HEADER, MEASURES, NOTHING, TITLES
from monai_vlsm.statistics import summarize

COLUMNS = ("group", "image", "label", "patient", "prompt", "is_there", "pixels", "area", "presence", "dice", "same")
_RULES = {
    "dice": "with the annotation; where the prompt names what is not there, with an empty mask; two empty masks are 1",
    "same": "Dice with the mask of the full prompt of the same image",
    "area": "share of the image that is mask",
    "interval": "95 % percentile bootstrap of the mean over patients, or images where the datalist names none",
}


def summarize_groups(rows: Sequence[Row], groups: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what can be written as JSON: the settings, and for each group that was asked its means.

    Args:
        rows: of all cases.
        groups: in order; one that no case has is named under ``not_asked``.
        settings: what the numbers depend on.
    """
    by_group = {group: [row for row in rows if row["group"] == group] for group in groups}
    return {
        **settings,
        "groups": {group: _described(group, found) for group, found in by_group.items() if found},
        "not_asked": [group for group, found in by_group.items() if not found],
        "rules": _RULES,
    }


def _described(group: str, rows: Sequence[Row]) -> dict[str, Any]:
    units = [row["patient"] or row["image"] for row in rows]
    return {
        "about": ABOUT.get(group, "prompts of the data set or of a file"),
        "is_there": group not in NOTHING,
        "cases": len({(row["image"], row["label"]) for row in rows}),
        "prompts": len(rows),
        "empty_masks": sum(not row["pixels"] for row in rows),
        **{name: summarize([row[name] for row in rows], units) for name in MEASURES},
    }


def write_tables(rows: Sequence[Row], summary: Mapping[str, Any], folder: Path) -> None:
    """Write ``per_prompt.csv`` and ``summary.json``."""
    told = ({name: row[name] for name in COLUMNS if name in row} for row in rows)
    write_table(folder / "per_prompt.csv", COLUMNS, told)
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def as_text(summary: Mapping[str, Any]) -> str:
    """Return the means for a screen."""
    width = max(map(len, summary["groups"])) + 2
    lines = [f"{'group':<{width}}{'cases':>6}{'Dice':>8}   {'95 % interval':<16}{'same':>7}{'presence':>10}{'area':>8}"]
    for group, found in summary["groups"].items():
        low, high = ("-" if bound is None else f"{bound:.3f}" for bound in found["dice"]["ci95"])
        cells = "".join(
            f"{found[name]['mean']:>{size}.3f}" for name, size in (("same", 7), ("presence", 10), ("area", 8))
        )
        lines.append(
            f"{group:<{width}}{found['cases']:>6}{found['dice']['mean']:>8.3f}   {low + ' to ' + high:<16}{cells}"
        )
    return "\n".join(lines)


def prompt_page(rows: Sequence[Row], summary: Mapping[str, Any], command: str) -> Page:
    """Return the page: a table of the groups, pictures, and how it was made."""
    page = Page("How a network follows its prompts", f"{summary['dataset']}, {summary['split']} split")
    page.section("Groups")
    page.text(
        "Every image is encoded once and asked for all of these. A network that follows its prompt finds the same if "
        "that is said in other words, something else where the prompt is wrong, and nothing of what is not there."
    )
    for is_there, title in TITLES.items():
        found = {group: part for group, part in summary["groups"].items() if part["is_there"] is is_there}
        page.table(HEADER, [_row(group, part) for group, part in found.items()], title)
    page.facts({group: part["about"] for group, part in summary["groups"].items()})
    page.text("; ".join(f"{name}: {rule}" for name, rule in summary["rules"].items()) + ".")
    if summary["not_asked"]:
        page.text(f"Not asked, as no prompt of the data set allows it: {', '.join(summary['not_asked'])}.")
    page.section("Pictures")
    page.text("Green is the annotation, red the prediction.")
    _add_pictures(page, rows)
    page.section("How this was made")
    page.facts({name: value for name, value in summary.items() if isinstance(value, str | int | float)})
    page.command(command)
    return page


def _row(group: str, found: Mapping[str, Any]) -> list[object]:
    intervals = [Interval(found[name]["mean"], *found[name]["ci95"]) for name in MEASURES]
    return [group, found["cases"], *intervals, found["empty_masks"]]


def _add_pictures(page: Page, rows: Sequence[Row]) -> None:
    drawn = [row for row in rows if row["picture"] is not None]
    for first in (row for row in drawn if row["group"] == FULL):
        case = [row for row in drawn if (row["image"], row["label"]) == (first["image"], first["label"])]
        page.subsection(f"{Path(first['image']).name}: {first['prompt']}")
        page.pictures([_picture(row) for row in case])


def _picture(row: Row) -> Picture:
    told = f"Dice {row['dice']:.3f}, presence {row['presence']:.2f}"
    alt = f"{stem_of(row['image'])} with the annotation, and the prediction for {row['prompt']!r}"
    return Picture(row["picture"], alt, f"{row['group']}: {row['prompt']!r}\n{told}")
