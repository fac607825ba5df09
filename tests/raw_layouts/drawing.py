"""The pictures in the look-alikes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
from PIL import Image

SIZE = (48, 64)  # rows, columns


def draw(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, 3) uint8 and the mask (H, W) bool of the bright object at its top left."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    center = size[0] * rng.uniform(0.3, 0.4), size[1] * rng.uniform(0.2, 0.3)
    radius = size[0] * rng.uniform(0.15, 0.25), size[1] * rng.uniform(0.1, 0.18)
    mask = ((rows - center[0]) / radius[0]) ** 2 + ((columns - center[1]) / radius[1]) ** 2 <= 1
    gray = rng.normal(60, 8, size) + 120 * mask
    return np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2), mask


def save(path: Path, array: np.ndarray, **options: object) -> None:
    """Write an array as a picture; bool becomes 0 and 255."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = array.astype(np.uint8) * 255 if array.dtype == bool else array
    Image.fromarray(array).save(path, **options)


def write_sheet(path: Path, *rows: tuple[object, ...]) -> None:
    """Write an xlsx of one sheet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    workbook.save(path)


def write_pairs(
    rng: np.random.Generator, stems: list[str], images: Path, masks: Path, image_suffix=".png", mask_name="{}.png"
) -> dict[str, np.ndarray]:
    """Write a folder of images and a folder of masks; the masks by the stem of their own files."""
    truth = {}
    for stem in stems:
        picture, mask = draw(rng)
        save(images / f"{stem}{image_suffix}", picture)
        save(masks / mask_name.format(stem), mask)
        truth[Path(mask_name.format(stem)).stem] = mask
    return truth
