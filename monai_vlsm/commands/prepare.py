"""``prepare``: turn a data set into images, masks and a datalist."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, get_args
from zipfile import is_zipfile

from monai_vlsm.errors import DataError

DESCRIPTION = """Turn what you have downloaded into images, binary masks and a checked datalist that bundles read.

  python -m monai_vlsm prepare --list
  python -m monai_vlsm prepare busi --source Dataset_BUSI.zip --out data/busi
  python -m monai_vlsm prepare kvasir_seg --download
  python -m monai_vlsm prepare phantom                    (drawn, nothing to download)"""


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    from monai_vlsm.data.prepare.convert import Prompts, Split
    from monai_vlsm.data.prompts import LocationRule

    parser = commands.add_parser(
        "prepare",
        help="turn a data set into images, masks and a datalist",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", nargs="?", help="name of the data set, see --list")
    parser.add_argument(
        "--list", action="store_true", help="show all data sets: what they are, terms, where to get them"
    )
    parser.add_argument("--source", type=Path, nargs="+", help="what you downloaded: folders and archives")
    parser.add_argument("--download", action="store_true", help="fetch it, where no form has to be signed for that")
    parser.add_argument("--yes", action="store_true", help="accept the terms of the data without being asked")
    parser.add_argument("--out", type=Path, help="folder to write (default: data/NAME)")
    parser.add_argument(
        "--prompts",
        choices=get_args(Prompts),
        help="published ones, or made from the masks (default: published if any)",
    )
    parser.add_argument("--annotations", type=Path, help="folder with the published prompts, instead of fetching them")
    parser.add_argument(
        "--split",
        choices=get_args(Split),
        default="published",
        help="deduplicated: without pictures that come again in a later split; by_sequence: no patient in two splits",
    )
    parser.add_argument(
        "--location-rule", choices=get_args(LocationRule), default="width", help="of generated prompts (default: width)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.list:
        _list()
    elif arguments.dataset is None:
        raise DataError("which data set? 'python -m monai_vlsm prepare --list' shows them.")
    elif arguments.dataset == "phantom":
        _draw(arguments)
    else:
        _convert(arguments)


def _list() -> None:
    from monai_vlsm.data.sets import DATASETS

    for data_set in DATASETS.values():
        use = f"evaluate with bundle {data_set.evaluate_with}" if data_set.evaluate_with else "bundle"
        print(f"{data_set.name:<15} {data_set.title}: {data_set.modality}, {data_set.size} ({use})")
        print(f"{'':<15} terms: {data_set.licence}")
        how = "--download, or " if data_set.downloads else ""
        print(f"{'':<15} get:   {how}{data_set.source}\n{'':<15} give:  {data_set.raw}")
        print(f"{'':<15} leaks: {data_set.leaks}\n" if data_set.leaks else "")


def _draw(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.phantom import write_phantom

    summary = write_phantom(arguments.out or Path("data") / "phantom", seed=arguments.seed)
    print(f"{summary['out']}: {'written' if summary['written'] else 'all is there already'}")
    print(f"{'split':<12}{'entries':>8}{'empty masks':>13}")
    for split, entries in summary["entries"].items():
        print(f"{split:<12}{entries:>8}{summary['empty_masks'][split]:>13}")


def _convert(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.prepare.convert import prepare
    from monai_vlsm.data.sets import DATASETS

    out = arguments.out or Path("data") / arguments.dataset
    report = prepare(
        arguments.dataset,
        lambda: _sources(arguments, out),
        out,
        arguments.prompts,
        arguments.split,
        location_rule=arguments.location_rule,
        annotations=arguments.annotations,
        seed=arguments.seed,
    )
    if not report.written:
        print(f"{report.out}: all is there already; the source was not read. To prepare it anew, remove the folder.")
        return
    print(f"\n{report.out}\n{'split':<12}{'entries':>8}{'empty masks':>13}")
    for split, entries in report.entries.items():
        print(f"{split:<12}{entries:>8}{report.empty[split]:>13}")
    print("texts      " + ", ".join(f"{level} {count}" for level, count in report.levels.items()))
    shown = [f"{width} x {height} ({count})" for (width, height), count in report.sizes[:4]]
    more = f" and {len(report.sizes) - 4} other sizes" if len(report.sizes) > 4 else ""
    print(f"images     {', '.join(shown)}{more} pixels")
    for reason, count, example in report.skipped:
        print(f"skipped    {count}: {reason} (the first: {example})")
    if report.groups_in_several_splits:
        found = f"{report.groups_in_several_splits} patients or sequences are in more than one split"
        print(f"careful    {found}: --split by_sequence")
    leaks = DATASETS[arguments.dataset].leaks
    if leaks and arguments.split == "published" and arguments.prompts != "generated":
        print(f"careful    {leaks}")


def _sources(arguments: argparse.Namespace, out: Path) -> list[Path]:
    """Return what the user downloaded, or download it after showing the terms."""
    from monai_vlsm.data.prepare.download import download
    from monai_vlsm.data.sets import DATASETS

    if arguments.source:
        return arguments.source
    data_set = DATASETS[arguments.dataset]
    if not arguments.download:
        raise DataError(f"give what you have downloaded with --source: {data_set.raw}, from {data_set.source}.")
    if not data_set.downloads:
        raise DataError(
            f"{data_set.title} cannot be fetched without you ({data_set.licence}) Get {data_set.raw} from "
            f"{data_set.source} and give it with --source."
        )
    print(f"{data_set.title}: {data_set.licence}\nCite: {data_set.citation}")
    if not arguments.yes and not (sys.stdin.isatty() and input("Fetch it under these terms? [y/N] ").lower() == "y"):
        raise DataError("the terms were not accepted: nothing was fetched. --yes accepts them.")
    folder = out.absolute().parent / "downloads" / data_set.name
    archives = [download(url, folder / _file_name(url)) for url in data_set.downloads]
    for url, archive in zip(data_set.downloads, archives, strict=True):
        if not is_zipfile(archive):
            archive.unlink()
            raise DataError(f"what {url} gave is no zip archive, and was removed: open the address in a browser.")
    return archives


def _file_name(url: str) -> str:
    name = url.rsplit("/", 1)[-1]
    return name if "." in name else f"{name}.zip"
