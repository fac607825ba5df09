"""The command line: ``python -m monai_vlsm prepare | predict``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_vlsm.errors import DataError, show_plainly


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m monai_vlsm", description="Text-prompted medical image segmentation."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    prepare = commands.add_parser(
        "prepare",
        help="turn a data set into images, masks and a datalist",
        description="Turn a data set into images, masks and a datalist. Known: phantom (drawn, not downloaded).",
    )
    prepare.add_argument("dataset", help="name of the data set: phantom")
    prepare.add_argument("--out", type=Path, help="folder to write (default: data/NAME)")
    prepare.add_argument("--seed", type=int, default=0, help="of the drawing (default: 0)")
    prepare.set_defaults(run=_prepare)
    predict = commands.add_parser(
        "predict",
        help="segment images by a prompt, with a trained bundle",
        description="Segment images. Masks have size, orientation and kind of the images; overlays.png shows them.",
    )
    predict.add_argument("images", nargs="+", help="files (PNG, JPG, TIFF, NIfTI ...), folders or patterns")
    predict.add_argument("--bundle", type=Path, required=True, help="folder of a trained bundle, such as bundles/busi")
    predict.add_argument("--prompt", help="what to segment, such as 'polyp' (default: the bundle's own)")
    predict.add_argument("--backbone", help="in place of the bundle's: hub id, folder or tiny")
    predict.add_argument("--out", default="masks", help="folder for masks and overlays (default: %(default)s)")
    predict.set_defaults(run=_predict)
    return parser


def _prepare(arguments: argparse.Namespace) -> None:
    from monai_vlsm.data.phantom import write_phantom

    if arguments.dataset != "phantom":
        raise DataError(
            f"there is no converter for {arguments.dataset!r}. Arrange it as images/, masks/ and "
            "anns/{train,val,test}.json, or write a datalist.json (docs/data.md)."
        )
    summary = write_phantom(arguments.out or Path("data") / "phantom", seed=arguments.seed)
    print(f"{summary['out']}: {'written' if summary['written'] else 'all is there already'}")
    print(f"{'split':<12}{'entries':>8}{'empty masks':>13}")
    for split, entries in summary["entries"].items():
        print(f"{split:<12}{entries:>8}{summary['empty_masks'][split]:>13}")


def _predict(arguments: argparse.Namespace) -> None:
    from monai.bundle import run

    from monai_vlsm.predictor import bundle_config

    config = bundle_config(arguments.bundle, "inference")
    given = {"prompt": arguments.prompt, "backbone": arguments.backbone}
    run(
        config_file=str(config),
        bundle_root=str(arguments.bundle),
        images=arguments.images,
        output_dir=arguments.out,
        **{key: value for key, value in given.items() if value is not None},
    )
    print(f"written to {Path(arguments.out).absolute()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 after an error."""
    parsed = build_parser().parse_args(arguments)
    show_plainly()
    parsed.run(parsed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
