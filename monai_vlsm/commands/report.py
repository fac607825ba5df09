"""``report``: one page on a bundle, with all that its numbers depend on; docs/report.md describes it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.bundle import find_bundle
from monai_vlsm.commands import BACKBONE_HELP
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError, MissingFileError, UserError

if TYPE_CHECKING:
    from monai_vlsm.pages import Picture
    from monai_vlsm.reports.bundle_facts import BundleFacts
    from monai_vlsm.reports.data_check import CheckedData
    from monai_vlsm.reports.runs import Run

_PICTURES = 6
_MAIN = "test_p1"
"""The run that is shown in detail where nobody says otherwise: the class name alone, on images never seen."""


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "report",
        help="write a page on a bundle: data, results, how far to trust them, and how they were made",
        description="Write one HTML file without scripts, and the numbers into docs/README.md of the bundle. The page "
        "shows pictures of the data set, so share it as you would share those.",
    )
    parser.add_argument("bundle", help="name below bundles/, or folder of a bundle")
    parser.add_argument("--dataset-dir", type=Path, help="folder of the data set (default: the bundle's dataset_dir)")
    parser.add_argument(
        "--run",
        dest="runs",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help=f"folders of evaluations, the most important first (default: those in eval/ of the bundle, {_MAIN} first)",
    )
    parser.add_argument(
        "--prompts", type=Path, metavar="FOLDER", help="that 'prompts' wrote (default: eval/prompts in the bundle)"
    )
    parser.add_argument("--backbone", help=BACKBONE_HELP)
    parser.add_argument("--out", type=Path, help="page to write (default: eval/report.html in the bundle)")
    parser.add_argument("--no-readme", action="store_true", help="leave docs/README.md of the bundle as it is")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from monai_vlsm.reports.bundle_facts import read_bundle
    from monai_vlsm.reports.bundle_page import PROMPTS, Contents, bundle_page, leaks
    from monai_vlsm.reports.performance import filled_readme, performance
    from monai_vlsm.reports.prompted import read_prompts
    from monai_vlsm.reports.runs import read_run

    bundle = read_bundle(find_bundle(arguments.bundle))
    runs = [read_run(folder) for folder in arguments.runs or _evaluations(bundle.folder / "eval")]
    prompts = read_prompts(arguments.prompts or bundle.folder / PROMPTS)
    readme = bundle.folder / "docs" / "README.md"
    filled = not arguments.no_readme and bool(runs)
    data = _check(arguments, bundle)
    text = filled_readme(readme, performance(bundle, runs, leaks(data))) if filled else ""
    cases = _draw(bundle, runs, data, arguments.backbone)
    page = bundle_page(Contents(bundle, runs, data, prompts, cases))
    out = arguments.out or bundle.folder / "eval" / "report.html"
    page.write(out)
    print(f"{out.absolute()}: {out.stat().st_size / 1e6:.1f} MB; it shows pictures of the data set")
    if filled:
        with replace_whole(readme) as part:
            part.write_text(text, encoding="utf-8", newline="\n")
        print(f"{readme.absolute()}: Performance filled with {len(runs)} runs")


def _evaluations(folder: Path) -> list[Path]:
    """Return the folders of evaluations in ``folder``, in the order of their names, the main one first."""
    found = sorted(path.parent for path in folder.glob("*/per_image.csv"))
    return sorted(found, key=lambda path: path.name != _MAIN)


def _check(arguments: argparse.Namespace, bundle: BundleFacts) -> CheckedData | str:
    from monai_vlsm.reports.data_check import check_dataset

    named = bundle.values.get("dataset_dir")
    folder = arguments.dataset_dir or (Path(named) if isinstance(named, str) else None)
    if folder is None:
        raise DataError("the bundle names no data set: give its folder with --dataset-dir.")
    try:
        return check_dataset(folder, backbone=arguments.backbone)
    except MissingFileError:
        if arguments.dataset_dir is not None:
            raise
        return f"The data set is not at {str(folder)!r}, so it was not checked: give its folder with --dataset-dir."


def _draw(
    bundle: BundleFacts, runs: Sequence[Run], data: CheckedData | str, backbone: str | None
) -> Mapping[str, Sequence[Picture]] | str:
    """Return pictures of the worst and the best cases of the first run, or why there are none."""
    from monai_vlsm.reports.cases import draw_cases, extremes

    if not runs or "dice" not in runs[0].metrics:
        return "There is no run with a Dice."
    if isinstance(data, str) or bundle.model is None:
        return "Pictures need the data set and models/model.pt."
    entries = [entry for split in data.entries.values() for entry in split]
    try:
        return draw_cases(bundle, runs[0], entries, extremes(runs[0], _PICTURES), backbone)
    except UserError as error:
        return f"The cases could not be drawn: {error}"
