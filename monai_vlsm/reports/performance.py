"""The section *Performance* of a bundle's README, filled between two marks."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path

from monai_vlsm.bundle.files import read_file
from monai_vlsm.errors import DataError
from monai_vlsm.pages.cells import shown
from monai_vlsm.reports.bundle_facts import BundleFacts
from monai_vlsm.reports.evaluated import NAMES, interval, setting
from monai_vlsm.reports.runs import Run

BEGIN = "<!-- performance: `python -m monai_vlsm report` fills this -->"
END = "<!-- end of performance -->"
_HEADING = "## Performance"
_LONGEST = 200


def performance(bundle: BundleFacts, runs: Sequence[Run], leaks: str) -> str:
    """Return the numbers of runs as Markdown.

    Args:
        bundle: that they are of.
        runs: what was measured.
        leaks: what the leak check found, in a sentence.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.metrics))
    header = ["run", "split", "prompts", "model", "images", *(NAMES.get(name, name) for name in names)]
    rows = [
        [
            run.table.parent.name,
            *(setting(run, key) for key in ("split", "prompt_level", "model")),
            str(len({case.image for case in run.cases})),
            *(shown(interval(run, name)) if name in run.metrics else "" for name in names),
        ]
        for run in runs
    ]
    unit = "patients" if runs and runs[0].groups else "images"
    return "\n".join(
        [
            f"Means with 95 % bootstrap intervals over {unit}, at the original resolution. Prompts from p2 on say",
            "things that were read off the annotation; p1 is the class name alone.",
            "",
            *(_row(cells) for cells in (header, ["---"] * len(header))),
            *(_row(row) for row in rows),
            "",
            f"- Check of the data: {_safe(leaks)}",
            *([f"- Model: `models/model.pt`, SHA-256 `{bundle.model.sha256}`"] if bundle.model else []),
        ]
    )


def filled_readme(path: Path, text: str) -> str:
    """Return a README with another text between the marks; where it has none, they come below its heading.

    Raises:
        MissingFileError: if there is no README.
        DataError: if it cannot be read, or its marks are not one beginning and one end.
    """
    try:
        readme = read_file(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"expected UTF-8 text in {str(path)!r}, but {error}. Mend it, or add --no-readme.") from error
    block = f"{BEGIN}\n\n{text}\n\n{END}"
    marks = [readme.count(mark) for mark in (BEGIN, END)]
    if marks == [0, 0]:
        heading = re.search(rf"^{_HEADING}[ \t]*$", readme, re.MULTILINE)
        if heading is None:
            return f"{readme.rstrip()}\n\n{_HEADING}\n\n{block}\n"
        return f"{readme[: heading.end()]}\n\n{block}{readme[heading.end() :]}"
    begin, end = readme.find(BEGIN), readme.find(END)
    if marks != [1, 1] or end < begin:
        raise DataError(
            f"expected {BEGIN!r} once in {str(path)!r}, and {END!r} once behind it: mend these lines, or add "
            "--no-readme."
        )
    return f"{readme[:begin]}{block}{readme[end + len(END) :]}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_safe, cells))} |"


def _safe(text: str) -> str:
    """Return a text of others as Markdown that shows it, in one line."""
    return re.sub(r"([\\`*\[\]|~])", r"\\\1", html.escape(" ".join(text.split())[:_LONGEST], quote=False))
