"""The embedded data set: drawn scenes with cysts and masses, and prompts that say which of them to mask."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from monai_vlsm.data.datalist import SPLITS, load_datalist, write_datalist
from monai_vlsm.data.folder import is_there
from monai_vlsm.data.phantom.scene import CLASSES, draw_phantom
from monai_vlsm.data.pictures import is_blank
from monai_vlsm.data.prompts import prompts_from_mask
from monai_vlsm.data.whole import new_folder
from monai_vlsm.errors import DataError

logger = logging.getLogger(__name__)

DEFAULT_COUNTS: Mapping[str, int] = {"training": 400, "validation": 30, "test": 50}
# Raised whenever the drawing changes, so that a folder of older scenes is not taken for the same data set.
_VERSION = 1


def write_phantom(
    out: str | Path, counts: Mapping[str, int] = DEFAULT_COUNTS, seed: int = 0, progress: bool = True
) -> dict[str, Any]:
    """Write a phantom data set: ``images/``, ``masks/`` and ``datalist.json``, one entry per class seen in an image.

    A scene without objects gives one entry with an empty mask. Image i of a split depends on ``seed``, the split
    and i only, so a larger data set contains the smaller one. The folder appears only when it is complete.

    Args:
        out: folder to make; a folder that holds the same phantom is left as it is.
        counts: images per split.
        seed: start of the random numbers, 0 or more.
        progress: show a progress bar.

    Returns:
        ``out``, ``written`` (False if it was there already), ``entries`` and ``empty_masks`` per split.

    Raises:
        DataError: if ``counts`` or ``seed`` are wrong, or ``out`` holds something else.
    """
    out = Path(out).expanduser().absolute()
    description = _describe(counts, seed)
    if is_there(out, description):
        logger.info("%s holds this phantom already: nothing to do.", out)
        return {"out": str(out), "written": False, **_summary(out, counts)}
    with new_folder(out) as part:
        for folder in ("images", "masks"):
            (part / folder).mkdir()
        jobs = [(split, index) for split in SPLITS for index in range(counts.get(split, 0))]
        splits: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
        for split, index in tqdm(jobs, desc=f"Drawing {out.name}", unit="image", disable=not progress):
            splits[split] += _write_scene(part, split, index, seed)
        write_datalist(part, splits, description=description)
    return {"out": str(out), "written": True, **_summary(out, counts)}


def _describe(counts: Mapping[str, int], seed: int) -> str:
    """One line that names a phantom; kept in its datalist to know it again."""
    unknown = sorted(set(counts) - set(SPLITS))
    if unknown:
        raise DataError(f"expected image counts for {', '.join(SPLITS)}, got one for {unknown[0]!r}: correct its name.")
    numbers = {split: counts.get(split, 0) for split in SPLITS}
    wrong = [f"{split}: {number!r}" for split, number in numbers.items() if not _is_count(number)]
    if wrong or not any(numbers.values()):
        raise DataError(f"expected image counts of 0 or more, not all 0, got {'; '.join(wrong) or numbers}.")
    if not _is_count(seed):
        raise DataError(f"expected a seed that is a whole number of 0 or more, got {seed!r}.")
    images = ", ".join(f"{number} {split}" for split, number in numbers.items())
    return f"monai_vlsm phantom, drawing {_VERSION}, seed {seed}, images: {images}"


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 0)


def _write_scene(folder: Path, split: str, index: int, seed: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    scene, stem = draw_phantom(rng), f"{split}_{index:04d}"
    Image.fromarray(scene.image).save(folder / "images" / f"{stem}.png")
    kinds = [kind for kind in CLASSES if scene.masks[kind].any()] or [CLASSES[index % len(CLASSES)]]
    entries = []
    for kind in kinds:
        mask, label = scene.masks[kind], f"masks/{stem}_{kind}.png"
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / label)
        entries.append({"image": f"images/{stem}.png", "label": label, "prompts": prompts_from_mask(mask, kind)})
    return entries


def _summary(out: Path, counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    entries = {split: load_datalist(out, split) for split in SPLITS if counts.get(split)}
    empty = {split: sum(is_blank(entry["label"]) for entry in entries[split]) for split in entries}
    return {"entries": {split: len(entries[split]) for split in entries}, "empty_masks": empty}
