"""``predict``: segment images by a prompt, with a trained bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "predict",
        help="segment images by a prompt, with a trained bundle",
        description="Segment images. Masks have size, orientation and kind of the images; overlays.png shows them.",
    )
    parser.add_argument("images", nargs="+", help="files (PNG, JPG, TIFF, NIfTI ...), folders or patterns")
    parser.add_argument("--bundle", type=Path, required=True, help="folder of a trained bundle, such as bundles/busi")
    parser.add_argument("--prompt", help="what to segment, such as 'polyp' (default: the bundle's own)")
    parser.add_argument("--backbone", help="in place of the bundle's: hub id, folder or tiny")
    parser.add_argument("--out", default="masks", help="folder for masks and overlays (default: %(default)s)")
    parser.add_argument("--trust", action="store_true", help="run what is unknown in the bundle; it can be any code")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from monai.bundle import run

    from monai_vlsm.bundle import as_literal, bundle_config, refuse_foreign_code

    config = bundle_config(arguments.bundle, "inference")
    if not arguments.trust:
        refuse_foreign_code(arguments.bundle)
    given = {
        "bundle_root": str(arguments.bundle),
        "images": arguments.images,
        "output_dir": arguments.out,
        "prompt": arguments.prompt,
        "backbone": arguments.backbone,
    }
    # MONAI evaluates overrides, and file names and prompts may begin as its expressions do.
    run(config_file=str(config), **{key: as_literal(value) for key, value in given.items() if value is not None})
    print(f"written to {Path(arguments.out).absolute()}")
