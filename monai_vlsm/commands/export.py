"""``export``: write a trained bundle for other runtimes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from monai_vlsm.bundle import bundle_folder
from monai_vlsm.commands import BACKBONE_HELP, BUNDLE_HELP, TRUST_HELP


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "export",
        help="write a trained bundle for other runtimes: ONNX, browsers, torch.export",
        description="Write image encoder, text encoder and decoder as three files, with the tokenizer and a card of "
        "all else that a program needs (docs/export.md).",
    )
    parser.add_argument("bundle", help=BUNDLE_HELP)
    parser.add_argument("--format", default="onnx", choices=("onnx", "pt2"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "float16"),
        help="of the weights in ONNX files; float16 halves them (default: %(default)s)",
    )
    parser.add_argument("--backbone", help=BACKBONE_HELP)
    parser.add_argument("--trust", action="store_true", help=TRUST_HELP)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    from monai_vlsm.exporting import export_bundle

    card = export_bundle(
        bundle_folder(arguments.bundle),
        arguments.out,
        arguments.format,
        arguments.precision,
        arguments.backbone,
        arguments.trust,
    )
    size = sum(file["bytes"] for file in card["files"].values())
    print(
        f"{arguments.out.absolute()}: {len(card['files'])} files and a card, {size / 1e6:.1f} MB; probabilities are at "
        f"most {card['largest_difference']:.1g} from those of the network"
    )
