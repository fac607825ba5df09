"""From own images and masks to a folder with a data set and its bundle."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from monai_vlsm.bundle import filled_template, installed_versions
from monai_vlsm.custom_data.matching import Matches, match_masks
from monai_vlsm.custom_data.request import CustomDataRequest
from monai_vlsm.custom_data.writing import write_cases
from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.folder import is_free, is_there
from monai_vlsm.data.names import stem_below
from monai_vlsm.data.prepare.download import file_sha256
from monai_vlsm.data.sets import DatasetFacts
from monai_vlsm.data.whole import new_folder
from monai_vlsm.errors import DataError

_STEPS_PER_EPOCH = 20
_BATCH_SIZES = (4, 8, 16, 32)


@dataclass(frozen=True)
class Summary:
    """What is there now.

    Args:
        data_set: folder.
        bundle: folder.
        written: False if all was there already.
        splits: split -> number of images, entries, empty masks and groups.
        sizes: width and height in pixels of the smallest and the largest image.
        notes: what was left out and why, a sentence each.
    """

    data_set: Path
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
    matches = match_masks(request)
    out = Path(os.path.abspath(out.expanduser()))
    data_set, bundle = out / "data" / request.name, out / "bundles" / request.name
    description = _describe(request, matches)
    data_there, bundle_there = is_there(data_set, description), _bundle_is_there(bundle, request.name)
    if bundle_there and not data_there:
        raise DataError(f"there is a bundle {str(bundle)!r} already: choose another name, or remove it first.")
    left_out = 0
    if not data_there:
        with new_folder(data_set, _bytes(matches)) as part:
            left_out = write_cases(request, matches.cases, part, description, progress).left_out
    if not bundle_there:
        with new_folder(bundle) as part:
            _write_bundle(part, _data_set(request, data_set, backbone, modality))
    splits, sizes = _count(data_set)
    notes = _notes(request, matches, left_out)
    return Summary(data_set, bundle, not (data_there and bundle_there), splits, sizes, notes)


def _describe(request: CustomDataRequest, matches: Matches) -> str:
    """One line that names the data set and all it was made from; kept in its datalist to know it again."""
    fields = {**asdict(request), "images": None, "masks": None}
    files = [
        [stem_below(path, folder), path.suffix, file_sha256(path)]
        for case in matches.cases
        for path, folder in ((case.image, request.images), (case.mask, request.masks))
    ]
    digest = hashlib.sha256(json.dumps([fields, files]).encode()).hexdigest()[:16]
    classes = ", ".join(request.class_names)
    return f"monai_vlsm new-bundle {request.name}: {classes}, {len(matches.cases)} images with masks, inputs {digest}"


def _bundle_is_there(folder: Path, name: str) -> bool:
    if is_free(folder):
        return False
    try:
        if json.loads((folder / "configs" / "train.json").read_text(encoding="utf-8"))["bundle_name"] == name:
            return True
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise DataError(f"{str(folder)!r} holds something that is no bundle {name!r}: choose another name or --out.")


def _bytes(matches: Matches) -> int:
    """Return the size of the images and masks, as an estimate of what is written."""
    return sum(path.stat().st_size for case in matches.cases for path in (case.image, case.mask))


def _write_bundle(folder: Path, data_set: DatasetFacts) -> None:
    files = filled_template(data_set, installed_versions())
    files[Path("docs/data_license.txt")] = f"Data set: {data_set.title}\nTerms: {data_set.license}\n"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="\n")


def _data_set(request: CustomDataRequest, folder: Path, backbone: str | None, modality: str) -> DatasetFacts:
    """Describe own data for the bundle: the recipe of the paper, with smaller batches for fewer images."""
    training = len(load_splits(folder)["training"])
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
        citation="none",
        batch_size=max(fitting, default=_BATCH_SIZES[0]),
        backbone=backbone or DatasetFacts.backbone,
    )


def _count(folder: Path) -> tuple[dict[str, dict[str, int]], tuple[tuple[int, int], tuple[int, int]]]:
    splits, sizes = {}, set()
    for split, entries in load_splits(folder).items():
        empty = 0
        for entry in entries:
            with Image.open(entry["label"]) as mask:
                empty += mask.getbbox() is None
                sizes.add(mask.size)
        splits[split] = {
            "images": len({entry["image"] for entry in entries}),
            "entries": len(entries),
            "empty masks": empty,
            "groups": len({entry["group"] for entry in entries}),
        }
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    return splits, (by_area[0], by_area[-1])


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
            f"left out: {left_out} pairs of a slice or image and a class it does not show "
            f"(of those, --keep-empty-slices {request.keep_empty_slices:g} keeps that share)"
        )
    if request.group_pattern is None:
        notes.append("every file was taken as a patient of its own: give --group-pattern if some belong together")
    return notes


def _listed(files: Sequence[Path], shown: int = 10) -> str:
    more = f" and {len(files) - shown} more" if len(files) > shown else ""
    return f"{len(files)}: {', '.join(path.name for path in files[:shown])}{more}"
