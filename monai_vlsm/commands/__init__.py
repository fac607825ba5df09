"""The commands of ``python -m monai_vlsm``, a module each: ``add_parser`` and what it runs."""

from argparse import ArgumentTypeError

BUNDLE_HELP = "a trained bundle: name below bundles/, folder, archive from 'package', or hub id owner/name[@revision]"
"""How a bundle may be named, for every command that takes one."""
TRUST_HELP = "run code that this package's own bundles do not have (you have read it)"
"""What ``--trust`` does, for every command that has it."""


def count(text: str) -> int:
    """Return the number that an option is, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected 1, 2 ..., got {text!r}")
    return int(text)
