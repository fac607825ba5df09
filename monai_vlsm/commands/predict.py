"""``predict``: segment images by a prompt, with a trained bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_vlsm.bundle import as_literal, bundle_config, find_bundle, run_inference
from monai_vlsm.commands import TRUST_HELP


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "predict",
        help="segment images by a prompt, with a trained bundle",
        description="Segment images. Masks have size, orientation and kind of the images; overlays.png shows them.",
    )
    parser.add_argument("images", nargs="+", help="files (PNG, JPG, TIFF, NIfTI ...), folders or patterns")
    parser.add_argument("--bundle", required=True, help="name below bundles/, or folder of a trained bundle")
    parser.add_argument("--prompt", help="what to segment, such as 'polyp' (default: the bundle's own)")
    parser.add_argument("--backbone", help="in place of the bundle's: hub id, folder or tiny")
    parser.add_argument(
        "--threshold",
        type=_number_or_word,
        help="probability from which on a pixel is mask, or best_dice or risk_control (default: the bundle's own)",
    )
    parser.add_argument(
        "--min-presence",
        type=float,
        help="presence below which a mask is empty; 0 empties none (default: the bundle's, else the calibrated cut)",
    )
    parser.add_argument("--out", default="masks", help="folder for masks and overlays (default: %(default)s)")
    parser.add_argument("--trust", action="store_true", help=TRUST_HELP)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    folder = find_bundle(arguments.bundle)
    given = {
        "bundle_root": str(folder),
        "images": arguments.images,
        "output_dir": arguments.out,
        "prompt": arguments.prompt,
        "backbone": arguments.backbone,
        "threshold": arguments.threshold,
        "min_presence": arguments.min_presence,
    }
    values = {key: value for key, value in given.items() if value is not None}
    if arguments.trust:
        from monai.bundle import run

        # MONAI evaluates overrides, and file names and prompts may begin as its expressions do.
        literals = {key: as_literal(value) for key, value in values.items()}
        run(config_file=str(bundle_config(folder, "inference")), **literals)
    else:
        run_inference(folder, values)
    print(f"written to {Path(arguments.out).absolute()}")


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
