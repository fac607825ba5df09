"""The commands of ``python -m monai_vlsm``, a module each: ``add_parser`` and what it runs."""
