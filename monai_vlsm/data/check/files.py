"""What is in the files of a data set: whether they can be read and fit, and the digests that tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from monai_vlsm.data.masks import kind_of_mask
from monai_vlsm.data.names import is_medical
from monai_vlsm.data.pictures import digest_of_pixels
from monai_vlsm.errors import UserError

Entries = Mapping[str, Sequence[Mapping[str, Any]]]
Reader = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be.

    Args:
        severity: an error makes results wrong or training stop; a warning is for the user to judge.
        text: what is wrong and what to do.
        names: of files or entries, relative to the data set's folder.
    """

    severity: Literal["error", "warning"]
    text: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileFacts:
    """What was seen in the files of a data set, by path.

    Args:
        shapes: shape of images and masks that can be read.
        digests: of the pixels of an image.
        foreground: share of a mask's pixels.
        unreadable: path -> reason.
        labels: mask -> values, of masks with several classes.
        soft: masks with values in between.
    """

    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    foreground: dict[str, float] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    labels: dict[str, list[float]] = field(default_factory=dict)
    soft: list[str] = field(default_factory=list)


def read_files(
    entries: Entries, image: Reader, mask: Reader, values: Reader, progress: Callable[[Any], Any]
) -> FileFacts:
    """Read every file once.

    The digest is one of decoded pixels, not of the file: a picture that was saved anew, with other metadata or in
    another lossless format, is still the same picture for a network.

    Args:
        entries: of all splits.
        image: reads a picture (C, W, H[, D]) as training does; raises UserError.
        mask: reads a mask (1, W, H[, D]) of 0 and 1 as training does.
        values: reads a mask (1, W, H[, D]) with the values in its file.
        progress: wraps the list of paths, to show a bar.
    """
    files, everything = FileFacts(), [entry for split in entries.values() for entry in split]
    images = dict.fromkeys(entry["image"] for entry in everything)
    masks = dict.fromkeys(entry["label"] for entry in everything)
    for path, is_mask in progress([*((path, False) for path in images), *((path, True) for path in masks)]):
        try:
            pixels = (mask if is_mask else image)(path)
            files.shapes[path] = pixels.shape[1:] if pixels.ndim == 4 else (*pixels.shape[1:], 1)
            if is_mask:
                files.foreground[path] = float(pixels.mean())
                _look_at_values(path, values(path), files)
            else:
                files.digests[path] = _digest(pixels)
        except UserError as error:
            files.unreadable[path] = str(error)
    return files


def _digest(pixels: np.ndarray) -> str:
    as_bytes = (pixels * 255).round().astype(np.uint8)
    return digest_of_pixels(np.moveaxis(as_bytes, (0, 1, 2), (-1, 1, 0)))


def _look_at_values(path: str, values: np.ndarray, files: FileFacts) -> None:
    kind = kind_of_mask(values, above_zero=is_medical(path))
    if kind == "label map" or values.min() < 0:
        files.labels[path] = np.unique(values[values != 0]).tolist()
    elif kind == "soft":
        files.soft.append(path)


def check_files(entries: Entries, files: FileFacts) -> Iterable[Finding]:
    """Find files that cannot be read, masks of another size than their image, and masks of more than two values."""
    if files.unreadable:
        reasons = tuple(f"{path}: {reason}" for path, reason in files.unreadable.items())
        yield Finding("error", "files that cannot be used; mend or remove them", reasons)
    pairs = {(entry["image"], entry["label"]) for items in entries.values() for entry in items}
    alike = tuple(sorted(image for image, label in pairs if image == label))
    if alike:
        yield Finding("error", "entries whose mask is the image itself; name the mask under 'label'", alike)
    wrong = [
        f"{image} ({_size(files.shapes[image])}) and {label} ({_size(files.shapes[label])})"
        for image, label in sorted(pairs)
        if image in files.shapes and label in files.shapes and files.shapes[image] != files.shapes[label]
    ]
    if wrong:
        yield Finding("error", "masks of another size than their image; make them equal", tuple(wrong))
    volumes = tuple(path for path in dict.fromkeys(image for image, _ in pairs) if files.shapes.get(path, (1,))[-1] > 1)
    if volumes:
        text = "volumes, while training takes one slice per entry; new-bundle makes slices of them"
        yield Finding("error", text, volumes)
    if files.labels:
        listed = (f"{path} ({', '.join(f'{v:g}' for v in found[:6])})" for path, found in files.labels.items())
        text = "masks that hold several values or some below 0, while training takes what is above 0 as one class; "
        text += "write a mask of 0 and 255 for each class"
        yield Finding("error", text, tuple(listed))
    if files.soft:
        text = "masks with values in between, which are cut in the middle of the range; save masks as PNG of 0 and 255"
        yield Finding("warning", text, tuple(files.soft))


def _size(shape: Sequence[int]) -> str:
    return " x ".join(str(length) for length in (shape[:-1] if shape[-1] == 1 else shape))
