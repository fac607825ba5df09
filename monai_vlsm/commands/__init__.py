"""The commands of ``python -m monai_vlsm``, a module each: ``add_parser`` and what it runs."""

BUNDLE_HELP = "a trained bundle: name below bundles/, folder, archive from 'package', or hub id owner/name[@revision]"
"""How a bundle may be named, for every command that takes one."""
TRUST_HELP = "run code that this package's own bundles do not have (you have read it)"
"""What ``--trust`` does, for every command that has it."""
