"""Write a data set and its bundle from your own images and masks."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monai_vlsm.bundle.fill import write_bundle
from monai_vlsm.custom_data.matching import Matches, match_masks
from monai_vlsm.custom_data.request import CustomDataRequest, check_words
from monai_vlsm.custom_data.writing import write_pairs
from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.folder import is_free, is_there
from monai_vlsm.data.names import stem_below
from monai_vlsm.data.pictures import is_blank, open_picture
from monai_vlsm.data.sets import DatasetFacts
from monai_vlsm.data.sets.facts import MASK_PROMPTS
from monai_vlsm.data.splits import split_groups
from monai_vlsm.data.whole import file_sha256, new_folder
from monai_vlsm.errors import DataError

_STEPS_PER_EPOCH = 20
_BATCH_SIZES = (4, 8, 16, 32)
_NEGATIVE_FRACTION = 0.2
"""Of the training prompts; without them a network draws a mask for whatever it is asked."""

Splits = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Summary:
    """What was written, or was there already.

    Args:
        dataset: folder of the data set.
        bundle: folder of the bundle.
        written: False if all was there already.
        splits: split -> number of images, entries, empty masks and groups.
        sizes: width and height in pixels of the smallest and the largest image.
        notes: what was left out and why, a sentence each.
    """

    dataset: Path
    bundle: Path
    written: bool
    splits: dict[str, dict[str, int]]
    sizes: tuple[tuple[int, int], tuple[int, int]]
    notes: list[str]


def make_bundle(
    request: CustomDataRequest, out: Path, backbone: str | None = None, modality: str = "medical", progress: bool = True
) -> Summary:
    """Write ``data/NAME`` and ``bundles/NAME`` below ``out``; each appears only when it is complete.

    Args:
        request: the images and masks.
        out: folder from which the bundle is run.
        backbone: default of the bundle: hub id, folder or ``tiny``; None is that of all bundles.
        modality: how the images were made, in words.
        progress: show a progress bar.

    Raises:
        UserError: if an input cannot be used, or something else is in the place of the results.
    """
    _check_texts(backbone, modality)
    out = Path(os.path.abspath(out.expanduser()))
    dataset, bundle = out / "data" / request.name, out / "bundles" / request.name
    _refuse_inside_inputs(request, dataset)
    matches = match_masks(request)
    # Too few patients, or fractions that cannot be: told now, and not when all slices have been written.
    split_groups([pair.group for pair in matches.pairs], [False] * len(matches.pairs), request.fractions, request.seed)
    description = _describe(request, matches)
    dataset_there, bundle_there = is_there(dataset, description), _bundle_is_there(bundle, request.name, backbone)
    if bundle_there and not dataset_there:
        raise DataError(f"there is a bundle {str(bundle)!r} already: choose another name, or remove it first.")
    left_out = 0
    if not dataset_there:
        with new_folder(dataset, _bytes(matches)) as part:
            left_out = write_pairs(request, matches.pairs, part, description, progress).left_out
    splits = load_splits(dataset)
    if not bundle_there:
        with new_folder(bundle) as part:
            write_bundle(_facts(request, len(splits["training"]), backbone, modality), part)
    notes = _notes(request, matches, left_out)
    written = not (dataset_there and bundle_there)
    return Summary(dataset, bundle, written, _count(splits), _sizes(splits), notes)


def _check_texts(backbone: str | None, modality: str) -> None:
    check_words(modality, "a --modality", "endoscopy")
    if backbone is None or backbone == "tiny":
        return
    # A value that begins with one of these is code or a reference in the JSON of a bundle.
    is_code = not backbone or backbone[0] in "$@%"
    if is_code or not (re.fullmatch(r"[\w.-]+/[\w.-]+", backbone) or Path(backbone).expanduser().is_dir()):
        raise DataError(
            f"expected a hub id such as 'CIDAS/clipseg-rd64-refined', a folder that is there, or 'tiny' under "
            f"--backbone, got {backbone!r}."
        )


def _refuse_inside_inputs(request: CustomDataRequest, dataset: Path) -> None:
    """Refuse to write where the next run would search for images."""
    for folder, option in ((request.images, "--images"), (request.masks, "--masks")):
        if folder.resolve() in dataset.resolve().parents:
            raise DataError(
                f"the data set would be written to {str(dataset)!r}, inside of the folder under {option}: choose "
                "another folder with --out."
            )


def _describe(request: CustomDataRequest, matches: Matches) -> str:
    """Name the data set and all it was made from in one line, which is kept in its datalist to recognize it."""
    patterns = [pattern and pattern.pattern for pattern in (request.mask_pattern, request.group_pattern)]
    fields = {
        **asdict(request), "images": None, "masks": None, "mask_pattern": patterns[0], "group_pattern": patterns[1],
    }  # fmt: skip
    files = [
        [stem_below(path, folder), path.suffix, _checksum(path)]
        for pair in matches.pairs
        for path, folder in ((pair.image, request.images), (pair.mask, request.masks))
    ]
    digest = hashlib.sha256(json.dumps([fields, files]).encode()).hexdigest()[:16]
    classes = ", ".join(request.class_names)
    return f"monai_vlsm new-bundle {request.name}: {classes}, {len(matches.pairs)} images with masks, inputs {digest}"


def _checksum(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}.") from error


def _bundle_is_there(folder: Path, name: str, backbone: str | None) -> bool:
    if is_free(folder):
        return False
    try:
        values = json.loads((folder / "configs" / "train.json").read_text(encoding="utf-8"))
        found, used = values["bundle_name"], values["backbone"]
    except (OSError, ValueError, TypeError, KeyError):
        found = used = None
    if found != name:
        raise DataError(f"{str(folder)!r} holds something that is no bundle {name!r}: choose another name or --out.")
    if backbone not in (None, used):
        raise DataError(
            f"the bundle {str(folder)!r} is there already, with the backbone {used!r} and not {backbone!r}: remove it "
            "to have it written anew, or change 'backbone' in its configs/train.json and configs/inference.json."
        )
    return True


def _bytes(matches: Matches) -> int:
    """Return the size of the images and masks, as an estimate of what is written."""
    return sum(path.stat().st_size for pair in matches.pairs for path in (pair.image, pair.mask))


def _facts(request: CustomDataRequest, training: int, backbone: str | None, modality: str) -> DatasetFacts:
    """Describe the data set for its bundle: the recipe of the paper, with smaller batches for fewer images.

    Args:
        training: number of entries.
    """
    fitting = [size for size in _BATCH_SIZES if size * _STEPS_PER_EPOCH <= training]
    title = request.name.replace("_", " ")
    return DatasetFacts(
        name=request.name,
        title=title[0].upper() + title[1:],
        modality=modality,
        target=" or ".join(request.class_names),
        prompt=request.class_names[0],
        source="own images, arranged by python -m monai_vlsm new-bundle",
        license="write down here who may use the images and for what, before you pass them or this bundle on.",
        size=f"{training} images or slices with masks for training, and others for validation and test",
        raw="the images and masks that new-bundle was given",
        citation="None for the images, which are your own.",
        prompt_source=MASK_PROMPTS,
        batch_size=max(fitting, default=_BATCH_SIZES[0]),
        backbone=backbone or DatasetFacts.backbone,
        negative_fraction=_NEGATIVE_FRACTION,
    )


def _count(splits: Splits) -> dict[str, dict[str, int]]:
    return {
        split: {
            "images": len({entry["image"] for entry in entries}),
            "entries": len(entries),
            "empty masks": sum(is_blank(entry["label"]) for entry in entries),
            "groups": len({entry.get("group", entry["image"]) for entry in entries}),
        }
        for split, entries in splits.items()
    }


def _sizes(splits: Splits) -> tuple[tuple[int, int], tuple[int, int]]:
    sizes = set()
    for entry in (entry for entries in splits.values() for entry in entries):
        with open_picture(entry["label"]) as mask:
            sizes.add(mask.size)
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    return by_area[0], by_area[-1]


def _notes(request: CustomDataRequest, matches: Matches, left_out: int) -> list[str]:
    notes = []
    for files, why in (
        (matches.images_without_mask, "skipped: no mask of their name"),
        (matches.masks_without_image, "not used: no image of their name"),
    ):
        if files:
            notes.append(f"{why}: {_listed(files)}")
    if left_out:
        notes.append(
            f"left out: {left_out} pairs of a slice or image and a class that it does not show "
            f"(--keep-empty-slices {request.keep_empty_slices:g} is the fraction of them that is kept)"
        )
    if request.group_pattern is None:
        notes.append(
            "which files are of one patient is not known, so they may be in two splits, and results too good: "
            "--group-pattern finds the patient in their names"
        )
    return notes


def _listed(files: Sequence[Path], shown: int = 10) -> str:
    more = f" and {len(files) - shown} more" if len(files) > shown else ""
    return f"{len(files)}: {', '.join(path.name for path in files[:shown])}{more}"
