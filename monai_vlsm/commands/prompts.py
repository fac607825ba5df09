"""``prompts``: see how far a network follows its prompt; docs/agreement.md describes it."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from monai_vlsm.bundle import bundle_folder
from monai_vlsm.commands import BACKBONE_HELP, BUNDLE_HELP, new_folder_named
from monai_vlsm.data.splits import SPLITS
from monai_vlsm.errors import DataError, MissingFileError

_SHEET = ("Image", "Description")


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "prompts",
        help="see how far a network follows its prompt: in other words, with less, with wrong ones",
        description="Ask the images of a split for their target in other words, with missing and wrong attributes, and "
        "for what is not there. The page shows pictures of the data set, so share it as you would share those.",
    )
    parser.add_argument("bundle", help=BUNDLE_HELP)
    parser.add_argument("--dataset-dir", required=True, type=Path, help="folder of the data set")
    parser.add_argument("--split", default="test", help=f"one of {', '.join(SPLITS)} (default: %(default)s)")
    parser.add_argument("--prompt-level", help="of the full prompt (default: the one that tells most)")
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="further prompts, a sheet (xlsx) with the columns Image and Description, as MedCLIPSeg publishes them",
    )
    parser.add_argument("--cases", type=int, help="ask the first ones of the split only (default: all)")
    parser.add_argument("--pictures", type=int, default=3, help="cases on the page (default: %(default)s)")
    parser.add_argument("--backbone", help=BACKBONE_HELP)
    parser.add_argument(
        "--out", required=True, type=Path, help="new folder for per_prompt.csv, summary.json, index.html"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.datalist import load_datalist
    from monai_vlsm.data.whole import new_folder
    from monai_vlsm.predictor import Predictor
    from monai_vlsm.reports.prompt_answers import ask
    from monai_vlsm.reports.prompt_groups import Questions
    from monai_vlsm.reports.prompt_summary import as_text, prompt_page, summarize_groups, write_tables

    out = new_folder_named(arguments.out)
    if arguments.pictures < 0 or (arguments.cases is not None and arguments.cases < 1):
        given = f"--cases {arguments.cases} and --pictures {arguments.pictures}"
        raise DataError(f"expected 1 case or more, and 0 pictures or more, got {given}.")
    folder = bundle_folder(arguments.bundle)
    entries = load_datalist(arguments.dataset_dir, arguments.split)[: arguments.cases]
    level, names = _levels(arguments, entries)
    questions = Questions(entries, level, _variants(arguments.variant), names)
    predictor = Predictor.from_bundle(folder, arguments.backbone)
    rows = [row for case in ask(predictor, questions, arguments.pictures) for row in case]
    settings = {
        "bundle": folder.absolute().name,
        "backbone": predictor.network.backbone_name,
        "dataset": arguments.dataset_dir.absolute().name,
        "split": arguments.split,
        "full_prompt": level,
        "cases": len(entries),
        "threshold": predictor.threshold,
    }
    summary = summarize_groups(rows, questions.groups, settings)
    with new_folder(out) as part:
        write_tables(rows, summary, part)
        prompt_page(rows, summary, _command(arguments)).write(part / "index.html")
    print(f"{as_text(summary)}\n\nwritten to {out}")


def _levels(arguments: argparse.Namespace, entries: Sequence[Any]) -> tuple[str, dict[str, str]]:
    """Return the level of the full prompt, and what levels are called that are variants of another.

    The levels of MedCLIPSeg from p3 on are no richer: they are its variants of p2.
    """
    from monai_vlsm.data.datalist import read_description
    from monai_vlsm.data.prepare.annotations import VARIANTS
    from monai_vlsm.reports.prompt_groups import richest_level

    path = arguments.dataset_dir / "datalist.json"
    if path.is_file() and ", prompts medclipseg," in read_description(arguments.dataset_dir):
        return arguments.prompt_level or "p2", VARIANTS
    return arguments.prompt_level or richest_level(entries), {}


def _variants(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return further prompts: by name of their group, then by name of an image."""
    variants = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not (name and equals and file) or name in variants:
            raise DataError(f"expected --variant NAME=FILE with a name of its own, got {text!r}.")
        variants[name] = dict(_read_variant(Path(file)))
    return variants


def _read_variant(file: Path) -> Iterator[tuple[str, str]]:
    from monai_vlsm.data.sets.sheets import read_sheet

    if not file.is_file():
        raise MissingFileError(f"there is no file with prompts {str(file.absolute())!r}.")
    for row in read_sheet(file, *_SHEET):
        yield row["Image"], row["Description"]


def _command(arguments: argparse.Namespace) -> str:
    given = [arguments.bundle, "--dataset-dir", str(arguments.dataset_dir), "--split", arguments.split]
    for name in ("prompt_level", "cases", "backbone"):
        value = getattr(arguments, name)
        given += [f"--{name.replace('_', '-')}", str(value)] if value is not None else []
    for variant in arguments.variant:
        given += ["--variant", variant]
    return f"python -m monai_vlsm prompts {shlex.join([*given, '--out', arguments.out.name])}"
