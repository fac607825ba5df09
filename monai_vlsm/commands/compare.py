"""``compare``: tell whether runs of an evaluation differ by more than chance, and where."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_vlsm.commands import new_folder_named
from monai_vlsm.errors import DataError


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "compare",
        help="tell whether runs of an evaluation differ by more than chance, and where",
        description="Compare each run with the first, on the same cases: paired bootstrap over patients, Wilcoxon's "
        "test, wins and losses, in every metric. Runs on other images, splits or prompts are refused.",
    )
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="folders of evaluations, or their per_image.csv; 2 or more"
    )
    parser.add_argument(
        "--out", type=Path, help="new folder for differences.csv and index.html, with the cases that differ most"
    )
    parser.add_argument("--cases", type=int, default=8, help="that differ most, on the page (default: %(default)s)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.whole import new_folder
    from monai_vlsm.reports.compare import as_text, compare_runs, write_differences
    from monai_vlsm.reports.runs import read_run

    out = arguments.out and new_folder_named(arguments.out)
    if arguments.cases < 0:
        raise DataError(f"expected a number of cases of 0 or more, got --cases {arguments.cases}.")
    comparison = compare_runs([read_run(run) for run in arguments.runs])
    if out:
        from monai_vlsm.reports.compare_page import compare_page

        with new_folder(out) as part:
            write_differences(comparison, part / "differences.csv")
            compare_page(comparison, arguments.cases).write(part / "index.html")
    print(as_text(comparison) + (f"\n\nwritten to {out}" if out else ""))
