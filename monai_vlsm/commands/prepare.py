"""``prepare``: turn a data set into images, masks and a datalist."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from zipfile import is_zipfile

from monai_vlsm.errors import DataError

if TYPE_CHECKING:
    from monai_vlsm.data.prepare import PrepareReport

DESCRIPTION = """Turn what you have downloaded into images, binary masks and a checked datalist that bundles read.

  python -m monai_vlsm prepare --list
  python -m monai_vlsm prepare busi --source Dataset_BUSI.zip --out data/busi
  python -m monai_vlsm prepare kvasir_seg --download
  python -m monai_vlsm prepare phantom                    (drawn, nothing to download)"""


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "prepare",
        help="turn a data set into images, masks and a datalist",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("dataset", nargs="?", help="name of the data set, see --list")
    parser.add_argument(
        "--list", action="store_true", help="show all data sets: what they are, terms, leaks, where to get them"
    )
    parser.add_argument("--source", type=Path, nargs="+", help="what you downloaded: folders, archives, sheets")
    parser.add_argument("--download", action="store_true", help="fetch it, where no form has to be signed for that")
    parser.add_argument("--yes", action="store_true", help="accept the terms of the data without being asked")
    parser.add_argument("--out", type=Path, help="folder to write (default: data/NAME)")
    _add_options(parser)
    parser.set_defaults(run=_run)


def _add_options(parser: argparse.ArgumentParser) -> None:
    from monai_vlsm.data.prepare.convert import PrepareOptions, Prompts, Split
    from monai_vlsm.data.prompts import LocationRule

    default = PrepareOptions()
    parser.add_argument(
        "--prompts",
        choices=get_args(Prompts),
        help="published prompts, or prompts made from the masks (default: published ones if there are any)",
    )
    parser.add_argument("--annotations", type=Path, help="folder with the published prompts, instead of fetching them")
    parser.add_argument(
        "--split",
        choices=get_args(Split),
        default=default.split,
        help="deduplicated: leave out images that come again in a later split, or in their own; "
        "by_sequence: draw anew, so that no patient or sequence is in two splits (default: %(default)s)",
    )
    parser.add_argument(
        "--location-rule",
        choices=get_args(LocationRule),
        default=default.location_rule,
        help="how prompts made from masks name a place: width compares with thirds of the width, medvlsm with thirds "
        "of the height, as published (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=default.seed,
        help="of drawn splits, and of the phantom (default: %(default)s)",
    )


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

    for facts in DATASETS.values():
        use = f"evaluate with bundle {facts.evaluate_with}" if facts.evaluate_with else "bundle"
        print(f"{facts.name:<15} {facts.title}: {facts.modality}, {facts.size} ({use})")
        print(f"{'':<15} terms: {facts.license}")
        how = "--download, or " if facts.downloads else ""
        print(f"{'':<15} get:   {how}{facts.source}\n{'':<15} give:  {facts.raw}")
        for archive, sha256 in facts.checksums.items():
            print(f"{'':<15} sha256 of {archive}: {sha256}")
        print(f"{'':<15} leaks: {facts.leaks}\n" if facts.leaks else "")


def _draw(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.phantom import write_phantom

    if arguments.source or arguments.download:
        raise DataError("the phantom is drawn: there is nothing to give with --source or to fetch with --download.")
    summary = write_phantom(arguments.out or Path("data") / "phantom", seed=arguments.seed)
    print(f"{summary['out']}: {'written' if summary['written'] else 'all is there already'}")
    print(f"{'split':<12}{'entries':>8}{'empty masks':>13}")
    for split, entries in summary["entries"].items():
        print(f"{split:<12}{entries:>8}{summary['empty_masks'][split]:>13}")


def _convert(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.prepare import PrepareOptions, is_prepared, prepare

    out = arguments.out or Path("data") / arguments.dataset
    options = PrepareOptions(
        prompts=arguments.prompts,
        split=arguments.split,
        location_rule=arguments.location_rule,
        annotations=arguments.annotations,
        seed=arguments.seed,
    )
    if is_prepared(arguments.dataset, out, options):
        print(f"{out}: all is there already; the source was not read. To prepare it anew, remove the folder.")
        return
    _print_report(prepare(arguments.dataset, _sources(arguments, out), out, options), arguments)


def _print_report(report: PrepareReport, arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.sets import DATASETS

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
        print(f"warning    {found}: --split by_sequence")
    leaks = DATASETS[arguments.dataset].leaks
    if leaks and arguments.split == "published" and arguments.prompts != "generated":
        print(f"warning    {leaks}")


def _sources(arguments: argparse.Namespace, out: Path) -> list[Path]:
    """Return what the user downloaded, or download it after showing the terms."""
    from monai_vlsm.data.prepare.download import download
    from monai_vlsm.data.sets import DATASETS

    if arguments.source:
        return arguments.source
    facts = DATASETS[arguments.dataset]
    if not arguments.download:
        raise DataError(f"give what you have downloaded with --source: {facts.raw}, from {facts.source}.")
    if not facts.downloads:
        raise DataError(
            f"{facts.title} cannot be fetched without you ({facts.license}) Get {facts.raw} from "
            f"{facts.source} and give it with --source."
        )
    print(f"{facts.title}: {facts.license}\nCite: {facts.citation}")
    if not arguments.yes and not (sys.stdin.isatty() and input("Fetch it under these terms? [y/N] ").lower() == "y"):
        raise DataError("the terms were not accepted: nothing was fetched. --yes accepts them.")
    folder = out.absolute().parent / "downloads" / facts.name
    archives = {url: download(url, folder / _file_name(url), sha256) for url, sha256 in facts.downloads.items()}
    for url, archive in archives.items():
        if not is_zipfile(archive):
            archive.unlink()
            raise DataError(f"what {url} gave is no zip archive, and was removed: open the address in a browser.")
    return list(archives.values())


def _file_name(url: str) -> str:
    name = url.rsplit("/", 1)[-1]
    return name if "." in name else f"{name}.zip"
