"""``new-bundle``: turn your own images and masks into a data set and a bundle to train."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.commands import GROUP_PATTERN_HELP
from monai_vlsm.data.splits import FRACTIONS
from monai_vlsm.errors import DataError

if TYPE_CHECKING:
    from monai_vlsm.custom_data import Summary


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "new-bundle",
        help="turn your own images and masks into a data set and a bundle to train",
        description="Write data/NAME (images, masks, prompts, splits) and bundles/NAME below --out, each whole or not "
        "at all. Exit status: 0 if all is there, 1 if something cannot be used, 2 if the command line is wrong.",
    )
    parser.add_argument("name", help="of data set and bundle: lower-case letters, digits, underscores")
    parser.add_argument(
        "--images", type=Path, required=True, help="folder of images (PNG, JPG, TIFF) or volumes (NIfTI)"
    )
    parser.add_argument(
        "--masks",
        type=Path,
        required=True,
        help="folder of masks, which have the names of the images, or NAME_mask ...",
    )
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--class-name", help="what the masks show, such as polyp")
    kind.add_argument("--classes", metavar="1=A,2=B", help="classes of the values in label maps; 3= leaves 3 out")
    _add_options(parser)
    parser.set_defaults(run=_run)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, help="folder to write to (default: the parent of the images folder)")
    parser.add_argument("--group-pattern", metavar="REGEX", help=GROUP_PATTERN_HELP)
    parser.add_argument(
        "--mask-pattern", metavar="REGEX",
        help="regular expression whose first group is what the names of an image and its mask share, as in 'mask_(.+)'",
    )  # fmt: skip
    parser.add_argument(
        "--keep-empty-slices", type=float, default=0.1, metavar="FRACTION",
        help="fraction kept of the slices of a volume that do not show a class (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--fractions", type=float, nargs=3, default=FRACTIONS, metavar=("TRAINING", "VALIDATION", "TEST"),
        help="of the entries for training, validation and test, adding up to 1 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the splits and of the empty slices that are kept")
    parser.add_argument("--backbone", help="hub id, folder or tiny: default of the bundle")
    parser.add_argument("--modality", default="medical", help="how the images were made, such as 'endoscopy'")


def _run(arguments: argparse.Namespace) -> None:
    from monai_vlsm.custom_data import CustomDataRequest, compile_pattern, make_bundle, parse_classes

    if arguments.class_name is not None and not arguments.class_name.strip():
        raise DataError("expected what the masks show under --class-name, as in 'polyp', got nothing.")
    classes = parse_classes(arguments.classes) if arguments.classes is not None else {arguments.class_name.strip(): ()}
    request = CustomDataRequest(
        name=arguments.name,
        images=arguments.images,
        masks=arguments.masks,
        classes=classes,
        mask_pattern=compile_pattern(arguments.mask_pattern, "--mask-pattern"),
        group_pattern=compile_pattern(arguments.group_pattern, "--group-pattern"),
        keep_empty_slices=arguments.keep_empty_slices,
        fractions=tuple(arguments.fractions),
        seed=arguments.seed,
    )
    out = arguments.out or request.images.parent
    summary = make_bundle(request, out, arguments.backbone, arguments.modality)
    _show(summary)
    _show_next(request.name, summary.dataset.parents[1], request.images, request.class_names[0])


def _show(summary: Summary) -> None:
    state = "written" if summary.written else "all is there already"
    print(f"{summary.dataset}\n{summary.bundle}: {state}\n")
    columns = ("images", "entries", "empty masks", "groups")
    print(f"{'split':<12}" + "".join(f"{column:>13}" for column in columns))
    for split, counts in summary.splits.items():
        print(f"{split:<12}" + "".join(f"{counts[column]:>13}" for column in columns))
    (small, large) = (f"{width} x {height}" for width, height in summary.sizes)
    print(f"size in pixels: {small}" + (f" to {large}" if large != small else ""))
    for note in summary.notes:
        print(note)


def _show_next(name: str, out: Path, images: Path, prompt: str) -> None:
    relative = os.path.relpath(images, out)
    folder = str(images) if relative.startswith(os.pardir) else relative
    configs, prompt = f"bundles/{name}/configs", shlex.quote(prompt)
    commands = (
        f"cd {shlex.quote(str(out))}",
        f"python -m monai_vlsm check data/{name}",
        f"python -m monai.bundle run training --config_file {configs}/train.json",
        "python -m monai.bundle run evaluating "
        f"--config_file \"['{configs}/train.json','{configs}/evaluate.json']\" --absent True",
        f"python -m monai_vlsm report {name}",
        f"python -m monai_vlsm predict {shlex.quote(folder)} --bundle {name} --prompt {prompt} --out found",
    )
    print("\nnext:\n" + "\n".join(f"  {command}" for command in commands))
