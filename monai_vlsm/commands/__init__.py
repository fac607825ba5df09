"""The commands of ``python -m monai_vlsm``, a module each: ``add_parser`` and what it runs."""

TRUST_HELP = "run code that this package's own bundles do not have (you have read it)"
"""What ``--trust`` does, for every command that has it."""
