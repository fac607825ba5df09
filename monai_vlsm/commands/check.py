"""``check``: find what would spoil results, before training; docs/check.md lists all that is looked at."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.errors import DataError, MissingFileError

if TYPE_CHECKING:
    from monai_vlsm.data.check import CheckReport

_SHOWN = 10


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "check",
        help="find what would spoil results: files, leaks between splits, prompts, imbalance",
        description="Read a data set, report errors and warnings, and write nothing. Exit status: 0 if there are at "
        "most warnings, 1 if there are errors or the data set cannot be read, 2 if the command line is wrong.",
    )
    parser.add_argument("dataset", type=Path, help="folder with datalist.json, or images/, masks/ and anns/")
    parser.add_argument(
        "--group-pattern",
        metavar="REGEX",
        help=r"regular expression whose first group is the patient in an image's name, as in '(\d+)_'",
    )
    parser.add_argument(
        "--backbone", help="hub id, folder or tiny: its tokenizer counts tokens (default: that of the bundles)"
    )
    parser.add_argument("--all", action="store_true", help=f"name all files of each finding, and not only {_SHOWN}")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    from monai_vlsm.data import load_splits
    from monai_vlsm.data.check import check_entries, read_files
    from monai_vlsm.transforms import LoadImageAnyd, LoadLabelMapd, LoadMaskd

    entries = load_splits(arguments.dataset)
    if not any(entries.values()):
        raise DataError(
            f"expected entries in the data set {str(arguments.dataset)!r}, got none in any of {', '.join(entries)}: "
            "are the splits called like this in its datalist?"
        )
    groups, source = _groups(entries, arguments.dataset, arguments.group_pattern)
    count_tokens, tokenizer = _token_counter(arguments.backbone)

    def read(transform: Any, path: str) -> Any:
        return transform({"file": path})["file"].numpy()

    transforms = (LoadImageAnyd("file"), LoadMaskd("file"), LoadLabelMapd("file", any_colour=True))
    progress = partial(tqdm, desc="Reading", unit="file")
    image, mask, values = (partial(read, transform) for transform in transforms)
    files = read_files(entries, image, mask, values, progress)
    report = check_entries(entries, files, arguments.dataset, groups, count_tokens)
    print(_text(report, None if arguments.all else _SHOWN))
    print(f"groups: {source}\ntokens: counted with the tokenizer of {tokenizer}")
    return int(bool(report.errors))


def _groups(
    entries: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path, pattern: str | None
) -> tuple[dict[str, str], str]:
    """Return the group of each image, and where it was read."""
    from monai_vlsm.custom_data.matching import group_names
    from monai_vlsm.custom_data.request import compile_pattern
    from monai_vlsm.data.names import stem_below

    items = [entry for split in entries.values() for entry in split]
    if pattern is None:
        groups = {entry["image"]: entry["group"] for entry in items if "group" in entry}
        if not groups:
            return {}, "not known, so not checked: give --group-pattern if images belong to patients or sequences"
        return groups, "as the datalist names them"
    images = list(dict.fromkeys(entry["image"] for entry in items))
    below = Path(os.path.abspath(folder.expanduser()))
    stems = [stem_below(Path(image), below).removeprefix("images/") for image in images]
    groups_of_images = group_names(stems, compile_pattern(pattern, "--group-pattern"))
    return dict(zip(images, groups_of_images, strict=True)), f"as {pattern!r} finds them in the names"


def _token_counter(backbone: str | None) -> tuple[Callable[[Sequence[str]], list[int]], str]:
    """Return what counts tokens; without the tokenizer of the default backbone, that of ``tiny``."""
    from monai_vlsm.networks import load_tokenizer
    from monai_vlsm.networks.backbone import resolve_name

    name = resolve_name(backbone)
    told = repr(name)
    try:
        tokenizer = load_tokenizer(name, cached_only=backbone is None)
    except MissingFileError:
        if backbone is not None:
            raise
        tokenizer, told = load_tokenizer("tiny"), f"'tiny', as that of {name!r} is not on this machine"
    return lambda texts: [len(ids) for ids in tokenizer(list(texts), verbose=False)["input_ids"]] if texts else [], told


def _text(report: CheckReport, shown: int | None) -> str:
    lines = []
    for finding in report.findings:
        count = f" ({len(finding.names)})" if finding.names else ""
        lines.append(f"{finding.severity}: {finding.text}{count}")
        lines += [f"  {name}" for name in finding.names[:shown]]
        if shown is not None and len(finding.names) > shown:
            lines.append(f"  and {len(finding.names) - shown} more (--all names them)")
    errors = len(report.errors)
    lines += ["", f"{errors} errors, {len(report.findings) - errors} warnings", ""]
    lines.append(f"{'split':<12}{'entries':>9}{'images':>9}{'groups':>9}{'empty masks':>18}{'foreground':>12}")
    for split, counts in report.splits.items():
        empty = f"{counts['empty masks']:.0f} ({counts['empty masks'] / max(1, counts['entries']):.0%})"
        numbers = "".join(f"{counts[column]:>9.0f}" for column in ("entries", "images"))
        groups = f"{counts['groups']:.0f}" if counts["groups"] else "-"
        lines.append(f"{split:<12}{numbers}{groups:>9}{empty:>18}{counts['foreground']:>12.1%}")
    width = max(12, *(len(name) + 2 for name in report.classes)) if report.classes else 12
    lines += ["", f"{'class (p1)':<{width}}" + "".join(f"{split:>12}" for split in report.splits)]
    for name, per_split in sorted(report.classes.items()):
        lines.append(f"{name:<{width}}" + "".join(f"{count:>12}" for count in per_split.values()))
    return "\n".join([*lines, ""])
