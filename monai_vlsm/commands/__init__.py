"""The commands of ``python -m monai_vlsm``, a module each: ``add_parser`` and what it runs."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from monai_vlsm.data.folder import is_free
from monai_vlsm.errors import DataError

BUNDLE_HELP = "a trained bundle: name below bundles/, folder, archive from 'package', or hub id owner/name[@revision]"
"""How a bundle may be named, for every command that takes one."""
TRUST_HELP = "run code that this package's own bundles do not have (you have read it)"
"""What ``--trust`` does, for every command that has it."""
BACKBONE_HELP = "in place of the bundle's: hub id, folder or tiny"
GROUP_PATTERN_HELP = r"regular expression whose first group is the patient in an image's name, as in '(\d+)_'"


def add_ray(parser: Any, workers: str) -> None:
    """Add the options of all that Ray deals out; ``workers`` says what ``--workers`` counts, and its default."""
    parser.add_argument("--address", help="of a running Ray cluster: HOST:PORT or auto (default: begin one here)")
    parser.add_argument("--workers", type=count, metavar="K", help=workers)


def count(text: str) -> int:
    """Return the number that an option is, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected 1, 2 ..., got {text!r}")
    return int(text)


def new_folder_named(out: Path) -> Path:
    """Return the folder of ``--out``, or raise a DataError if there is something already."""
    out = out.expanduser().absolute()
    if not is_free(out):
        raise DataError(f"expected --out to be a new folder, but {str(out)!r} is there: choose another, or remove it.")
    return out
