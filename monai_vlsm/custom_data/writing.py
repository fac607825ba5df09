"""Write the pictures, masks and datalist of a data set from pairs of an image and its mask."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from monai_vlsm.custom_data.matching import ImageMaskPair
from monai_vlsm.custom_data.reading import read_pair
from monai_vlsm.custom_data.request import CustomDataRequest, file_name
from monai_vlsm.data.datalist import SPLITS, write_datalist
from monai_vlsm.data.names import is_raster
from monai_vlsm.data.prompts import prompts_from_mask
from monai_vlsm.data.splits import split_groups
from monai_vlsm.errors import DataError, UserError

_SHOWN = 10


@dataclass
class Written:
    """Entries of a datalist, and what was left out.

    Args:
        entries: in the order of the pairs.
        empty: of each entry: whether its mask is empty.
        groups: of each entry: what stays in one split, the patient where it is known.
        left_out: number of pictures times classes that they do not show and that were not kept.
        files: names of all files, in lower case, because some systems tell no case apart.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    empty: list[bool] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    left_out: int = 0
    files: set[str] = field(default_factory=set)


def write_pairs(
    request: CustomDataRequest, pairs: Sequence[ImageMaskPair], folder: Path, description: str, progress: bool = True
) -> Written:
    """Write ``images/``, ``masks/`` and ``datalist.json`` into ``folder``.

    Every pair is tried, so that one message names all that cannot be used.

    Raises:
        DataError: if files cannot be used, or there are too few groups to split.
    """
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    written, wrong = Written(), []
    for pair in tqdm(pairs, desc=f"Writing {request.name}", unit="file", disable=not progress):
        try:
            _write_pair(request, pair, folder, written)
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        more = f"\n- and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        listed = "\n".join(f"- {message}" for message in wrong[:_SHOWN])
        raise DataError(f"{len(wrong)} of {len(pairs)} images cannot be used, nothing was written:\n{listed}{more}")
    if not written.entries:
        raise DataError(
            f"no slice of {len(pairs)} volumes shows {' or '.join(request.class_names)}: are the masks empty?"
        )
    split_of = split_groups(written.groups, written.empty, request.fractions, request.seed)
    splits = {
        split: [e for e, found in zip(written.entries, split_of, strict=True) if found == split] for split in SPLITS
    }
    write_datalist(folder, splits, description=description)
    return written


def _write_pair(request: CustomDataRequest, pair: ImageMaskPair, folder: Path, written: Written) -> None:
    pictures, masks = read_pair(pair, request.classes)
    digits = max(3, len(str(len(pictures) - 1)))
    for number, picture in enumerate(pictures):
        name = pair.name if len(pictures) == 1 else f"{pair.name}_z{number:0{digits}d}"
        shown = {class_name: mask[number] for class_name, mask in masks.items()}
        kept = _kept_classes(request, name, shown, is_slice=len(pictures) > 1)
        written.left_out += len(shown) - len(kept)
        if not kept:
            continue
        image = _write_image(pair, picture, folder, name, written)
        for class_name in kept:
            label = f"masks/{name}.png" if request.is_binary else f"masks/{name}_{file_name(class_name)}.png"
            Image.fromarray(shown[class_name].astype(np.uint8) * 255).save(_free(folder, label, written))
            prompts = prompts_from_mask(shown[class_name], class_name, tell_empty=False)
            # Slices of a volume are of one patient, whoever that is; of pictures nothing is known without a pattern.
            known = {"group": pair.group} if request.group_pattern or len(pictures) > 1 else {}
            written.entries.append({"image": image, "label": label, "prompts": prompts, **known})
            written.groups.append(pair.group)
            written.empty.append(not shown[class_name].any())


def _kept_classes(request: CustomDataRequest, name: str, shown: dict[str, np.ndarray], is_slice: bool) -> list[str]:
    """Return the classes that get an entry: those in the picture, and a fraction of the others.

    An image that shows none gets one all the same: it was given on purpose, while empty slices come with any volume.
    """
    draws = {class_name: _draw(f"{request.seed}: {name}: {class_name}") for class_name in shown}
    kept = [key for key, mask in shown.items() if mask.any() or draws[key] < request.keep_empty_slices]
    return kept if kept or is_slice else [min(draws, key=draws.__getitem__)]


def _draw(text: str) -> float:
    """Return a number in [0, 1) that depends on nothing but the text, on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def _write_image(pair: ImageMaskPair, picture: torch.Tensor, folder: Path, name: str, written: Written) -> str:
    """Copy a raster image as it is, write a slice (1 or 3, rows, columns) in [0, 1] as PNG."""
    if is_raster(pair.image):
        path = f"images/{name}{pair.image.suffix.lower()}"
        shutil.copyfile(pair.image, _free(folder, path, written))
        return path
    values = (picture * 255).round().to(torch.uint8).movedim(0, -1).numpy()
    path = f"images/{name}.png"
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).save(_free(folder, path, written))
    return path


def _free(folder: Path, path: str, written: Written) -> Path:
    if path.lower() in written.files:
        raise DataError(f"two images, slices or classes would be written as {path!r}: rename one of them.")
    written.files.add(path.lower())
    return folder / path
