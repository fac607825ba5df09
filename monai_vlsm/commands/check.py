"""``check``: find what would spoil results, before training; docs/check.md lists all that is looked at."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.commands import GROUP_PATTERN_HELP

if TYPE_CHECKING:
    from monai_vlsm.data.check import CheckReport

_SHOWN = 10


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "check",
        help="find what would spoil results: files, leaks between splits, prompts, imbalance",
        description="Read a data set, report errors and warnings, and write nothing. Exit status: 0 if there are at "
        "most warnings, 1 if there are errors or the data set cannot be read, 2 if the command line is wrong.",
    )
    parser.add_argument("dataset", type=Path, help="folder with datalist.json, or images/, masks/ and anns/")
    parser.add_argument("--group-pattern", metavar="REGEX", help=GROUP_PATTERN_HELP)
    parser.add_argument(
        "--backbone", help="hub id, folder or tiny: its tokenizer counts tokens (default: that of the bundles)"
    )
    parser.add_argument("--all", action="store_true", help=f"name all files of each finding, and not only {_SHOWN}")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from monai_vlsm.reports.data_check import check_dataset

    checked = check_dataset(arguments.dataset, arguments.group_pattern, arguments.backbone)
    print(_text(checked.report, None if arguments.all else _SHOWN))
    print(f"groups: {checked.groups}\ntokens: counted with the tokenizer of {checked.tokenizer}")
    return int(bool(checked.report.errors))


def _text(report: CheckReport, shown: int | None) -> str:
    lines = []
    for finding in report.findings:
        count = f" ({len(finding.names)})" if finding.names else ""
        lines.append(f"{finding.severity}: {finding.text}{count}")
        lines += [f"  {name}" for name in finding.names[:shown]]
        if shown is not None and len(finding.names) > shown:
            lines.append(f"  and {len(finding.names) - shown} more (--all names them)")
    errors = len(report.errors)
    lines += ["", f"{errors} errors, {len(report.findings) - errors} warnings", ""]
    lines.append(f"{'split':<12}{'entries':>9}{'images':>9}{'groups':>9}{'empty masks':>18}{'foreground':>12}")
    for split, counts in report.splits.items():
        empty = f"{counts['empty masks']:.0f} ({counts['empty masks'] / max(1, counts['entries']):.0%})"
        numbers = "".join(f"{counts[column]:>9.0f}" for column in ("entries", "images"))
        groups = f"{counts['groups']:.0f}" if counts["groups"] else "-"
        lines.append(f"{split:<12}{numbers}{groups:>9}{empty:>18}{counts['foreground']:>12.1%}")
    width = max(12, *(len(name) + 2 for name in report.classes)) if report.classes else 12
    lines += ["", f"{'class (p1)':<{width}}" + "".join(f"{split:>12}" for split in report.splits)]
    for name, per_split in sorted(report.classes.items()):
        lines.append(f"{name:<{width}}" + "".join(f"{count:>12}" for count in per_split.values()))
    return "\n".join([*lines, ""])
