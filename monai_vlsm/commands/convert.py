"""``to-nifti`` and ``to-png``: pictures for 3D Slicer, and back."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add both commands to the ``commands`` of a parser."""
    to_nifti = commands.add_parser(
        "to-nifti",
        help="turn pictures into one-slice NIfTI files, for 3D Slicer",
        description="Turn PNG, JPG, TIFF ... into one-slice NIfTI files: colors stay, pixels keep their places.",
    )
    to_nifti.add_argument("--spacing", type=float, default=1.0, help="millimeters per pixel (default: %(default)s)")
    to_nifti.add_argument("--gray", action="store_true", help="turn colors into gray, to paint labels in Slicer")
    to_nifti.set_defaults(run=_to_nifti)
    to_png = commands.add_parser(
        "to-png",
        help="turn one-slice NIfTI files into upright pictures",
        description="Turn one-slice NIfTI files, such as labels from 3D Slicer, into upright PNG files.",
    )
    to_png.add_argument("--mask", action="store_true", help="they are masks: all above 0 becomes white")
    to_png.set_defaults(run=_to_png)
    for parser in (to_nifti, to_png):
        parser.add_argument("files", nargs="+", help="files, folders or patterns")
        parser.add_argument("--out", type=Path, required=True, help="folder to write")


def _to_nifti(arguments: argparse.Namespace) -> None:
    from monai_vlsm.monai_label.convert import to_nifti

    _convert(arguments, ".nii.gz", partial(to_nifti, spacing=arguments.spacing, gray=arguments.gray))


def _to_png(arguments: argparse.Namespace) -> None:
    from monai_vlsm.monai_label.convert import to_png

    _convert(arguments, ".png", partial(to_png, mask=arguments.mask))


def _convert(arguments: argparse.Namespace, suffix: str, convert: Any) -> None:
    from monai_vlsm.data import list_images
    from monai_vlsm.monai_label.convert import convert_all

    paths = [entry["image"] for entry in list_images(arguments.files)]
    written = convert_all(paths, arguments.out, suffix, convert)
    print(f"{len(written)} files written to {arguments.out.absolute()}")
