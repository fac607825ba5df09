"""``prepare``: turn a data set into images, masks and a datalist."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_vlsm.errors import DataError


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "prepare",
        help="turn a data set into images, masks and a datalist",
        description="Turn a data set into images, masks and a datalist. Known: phantom (drawn, not downloaded).",
    )
    parser.add_argument("dataset", help="name of the data set: phantom")
    parser.add_argument("--out", type=Path, help="folder to write (default: data/NAME)")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing (default: 0)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.phantom import write_phantom

    if arguments.dataset != "phantom":
        raise DataError(
            f"there is no converter for {arguments.dataset!r}. Arrange it as images/, masks/ and "
            "anns/{train,val,test}.json, or write a datalist.json (docs/data.md)."
        )
    summary = write_phantom(arguments.out or Path("data") / "phantom", seed=arguments.seed)
    print(f"{summary['out']}: {'written' if summary['written'] else 'all is there already'}")
    print(f"{'split':<12}{'entries':>8}{'empty masks':>13}")
    for split, entries in summary["entries"].items():
        print(f"{split:<12}{entries:>8}{summary['empty_masks'][split]:>13}")
