"""The command line: ``python -m monai_vlsm COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from monai_vlsm.commands import check, convert, label_app, new_bundle, package, predict, prepare
from monai_vlsm.errors import show_user_errors_plainly

COMMANDS = (prepare, new_bundle, check, predict, package, label_app, convert)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m monai_vlsm", description="Text-prompted medical image segmentation."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 after an error, or where the command says so."""
    parsed = build_parser().parse_args(arguments)
    show_user_errors_plainly()
    return parsed.run(parsed) or 0


if __name__ == "__main__":
    sys.exit(main())
