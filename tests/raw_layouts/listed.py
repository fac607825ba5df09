"""Data sets whose splits are lists of names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from .drawing import draw, save, write_pairs
from .layouts import COUNT


def kvasir_instrument(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Archives in an archive, beside lists of names without suffix, which have blank lines, CRLF and a BOM."""
    base, stems = folder / "kvasir-instrument", [f"ckcu{i}ty" for i in range(COUNT)]
    truth = write_pairs(rng, stems, base / "images", base / "masks", ".jpg")
    for part in ("images", "masks"):
        shutil.make_archive(str(base / part), "gztar", base, part)
        shutil.rmtree(base / part)
    (base / "train.txt").write_text("\n".join(stems[:6]) + "\n\n")
    (base / "test.txt").write_bytes("\r\n".join(stems[6:]).encode("utf-8-sig"))
    (base / "bboxes.json").write_text("{}")
    shutil.make_archive(str(folder / base.name), "zip", folder, base.name)
    shutil.rmtree(base)
    return truth


def tn3k(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """JPEG masks of one channel, numbers that come again in the test, folds, and a set of the whole thyroid."""
    base, truth = folder / "Thyroid Dataset" / "tn3k", {}
    for part, count in (("trainval", COUNT), ("test", 2)):
        for i in range(count):
            picture, mask = draw(rng)
            save(base / f"{part}-image" / f"{i:04d}.jpg", picture)
            save(base / f"{part}-mask" / f"{i:04d}.jpg", mask, quality=60)
            truth[f"{part}_{i:04d}"] = mask
    for fold in range(2):
        (base / f"tn3k-trainval-fold{fold}.json").write_text(json.dumps({"train": [5, 4, 3, 2, 1], "val": [0, 6, 7]}))
    write_pairs(
        rng,
        ["0000", "0001"],
        folder / "Thyroid Dataset" / "tg3k" / "thyroid-image",
        base.parent / "tg3k" / "thyroid-mask",
    )
    return truth
