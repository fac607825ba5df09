"""The command line: ``monai-vlsm COMMAND``, or ``python -m monai_vlsm COMMAND``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import monai_vlsm
from monai_vlsm.commands import (
    check,
    compare,
    convert,
    export,
    label_app,
    new_bundle,
    package,
    predict,
    prepare,
    prompts,
    report,
    tune,
)
from monai_vlsm.errors import DataError, find_message, is_full_disk, show_user_errors_plainly

COMMANDS = (prepare, new_bundle, check, tune, predict, compare, prompts, report, package, export, label_app, convert)
# What a shell shows for a program that was ended by a closed pipe (128 + SIGPIPE).
CLOSED_PIPE = 141


class _ShowVersion(argparse.Action):
    """Print the version, which is looked up only then: a copy of the sources that is not installed has none."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"monai_vlsm {monai_vlsm.__version__}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    by_script = Path(sys.argv[0]).stem == "monai-vlsm"
    parser = argparse.ArgumentParser(
        prog="monai-vlsm" if by_script else "python -m monai_vlsm",
        description="Text-prompted medical image segmentation.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 after an error, or where the command says so.

    Whoever reads the output may stop before its end (``| head``): that is no error to report.
    """
    try:
        return _run(arguments)
    except BrokenPipeError as error:
        # Other pipes can break as well, and an error of the command must not be lost behind a closed one.
        if not _is_output_closed() or find_message(error):
            raise
        return CLOSED_PIPE
    except OSError as error:
        if find_message(error) is None and is_full_disk(error):
            raise DataError(f"the disk is full: make room, or write to another one. ({error})") from error
        raise


def _run(arguments: Sequence[str] | None) -> int:
    try:
        parsed = build_parser().parse_args(arguments)
        show_user_errors_plainly()
        return parsed.run(parsed) or 0
    finally:
        # Not left to the end of the process, where nothing can catch that the pipe is closed. Services may have none.
        if sys.stdout is not None:
            sys.stdout.flush()


def _is_output_closed() -> bool:
    """Tell whether nobody reads the output any more; if so, what is left of it goes nowhere."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
