"""The section of a page on how far a network follows its prompt, from what ``prompts`` left behind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_vlsm.bundle.files import parse_json, read_file
from monai_vlsm.errors import DataError
from monai_vlsm.pages import Interval, Page
from monai_vlsm.pages.cells import is_known, told_interval
from monai_vlsm.reports.prompt_groups import HEADER, MEASURES, TITLES

SUMMARY = "summary.json"
_MOST_GROUPS = 100


def read_prompts(folder: Path) -> dict[str, Any] | None:
    """Return the summary of a prompt report, or None where there is none.

    Raises:
        DataError: if it is none, or damaged.
    """
    path = folder / SUMMARY
    if not path.exists():
        return None
    summary = parse_json(read_file(path), path)
    groups = summary.get("groups")
    if (
        not isinstance(groups, dict)
        or len(groups) > _MOST_GROUPS
        or not all(isinstance(g, dict) for g in groups.values())
    ):
        raise DataError(f"expected up to {_MOST_GROUPS} groups of prompts in {str(path)!r}: run 'prompts' anew.")
    return summary


def add_prompts(page: Page, summary: Mapping[str, Any] | None, command: str) -> None:
    """Add a section with a row for each group of prompts.

    Args:
        page: to add to.
        summary: as :func:`read_prompts` gives it.
        command: that makes one.
    """
    page.section("Does it follow the prompt?")
    if summary is None:
        page.missing("The network was not asked in other, wrong or empty words.", command)
        return
    page.text(
        f"Each of {summary.get('cases')} cases of the split {summary.get('split')} was asked in several ways; 'same "
        f"as full' is the Dice with the mask of the full prompt, {summary.get('full_prompt')}."
    )
    for is_there, title in TITLES.items():
        rows = [
            [name, _count(group, "cases"), *(_interval(group, key) for key in MEASURES), _count(group, "empty_masks")]
            for name, group in summary["groups"].items()
            if bool(group.get("is_there")) is is_there
        ]
        if rows:
            page.table(HEADER, rows, title)
    page.facts({name: str(group.get("about", "")) for name, group in summary["groups"].items()})


def _count(group: Mapping[str, Any], key: str) -> Any:
    return group[key] if is_known(group.get(key)) else None


def _interval(group: Mapping[str, Any], key: str) -> Interval:
    told = group.get(key)
    return told_interval(told if isinstance(told, dict) else {}, "mean")
