"""A data set read and judged as a whole, for ``check`` and for the page of a bundle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monai_vlsm.data.check import CheckReport
from monai_vlsm.errors import DataError, MissingFileError


@dataclass(frozen=True)
class CheckedData:
    """What was found in a data set.

    Args:
        entries: of all splits, as :func:`monai_vlsm.data.load_splits` gives them.
        report: what is wrong, and what the splits hold.
        groups: where patients or sequences were read, in words.
        tokenizer: that counted tokens, in words.
    """

    entries: Mapping[str, Sequence[Mapping[str, Any]]]
    report: CheckReport
    groups: str
    tokenizer: str


def check_dataset(dataset: Path, group_pattern: str | None = None, backbone: str | None = None) -> CheckedData:
    """Read every file of a data set once, with a progress bar, and judge it.

    Args:
        dataset: its folder.
        group_pattern: regular expression whose first group is the patient in an image's name; None takes the groups of
            the datalist.
        backbone: whose tokenizer counts tokens; None is that of the bundles, or ``tiny`` where that is not at hand.

    Raises:
        MissingFileError, DataError: if there is no such data set, or nothing in it.
    """
    from tqdm.auto import tqdm

    from monai_vlsm.data import load_splits
    from monai_vlsm.data.check import check_entries, read_files
    from monai_vlsm.transforms import LoadLabelMapd, LoadMaskd, load_image

    entries = load_splits(dataset)
    if not any(entries.values()):
        raise DataError(
            f"expected entries in the data set {str(dataset)!r}, got none in any of {', '.join(entries)}: "
            "are the splits called like this in its datalist?"
        )
    groups, source = _groups(entries, dataset, group_pattern)
    count_tokens, tokenizer = _token_counter(backbone)

    def read(transform: Any, path: str) -> Any:
        return transform({"file": path})["file"].numpy()

    mask, values = (partial(read, reader) for reader in (LoadMaskd("file"), LoadLabelMapd("file", any_color=True)))
    progress = partial(tqdm, desc="Reading", unit="file")
    files = read_files(entries, lambda path: load_image(path).numpy(), mask, values, progress)
    return CheckedData(entries, check_entries(entries, files, dataset, groups, count_tokens), source, tokenizer)


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
