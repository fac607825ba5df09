"""Runs as an evaluation writes them, with the scores that a test wants."""

import csv
import json
from pathlib import Path

import numpy as np

from monai_vlsm.statistics import summarize

SETTINGS = {"split": "test", "prompt_level": "p1", "model": "models/model.pt", "surface_tolerance_pixels": 2}


def rows_of(dice, data="/data/busi", **columns):
    """Rows of a table, a case per value of ``dice``; other columns are given as lists, or left out where None."""
    rows = [
        {
            "image": f"{data}/images/{number}.png",
            "label": f"{data}/masks/{number}.png",
            "group": "",
            "prompt": "breast tumor",
            "label_pixels": 10 + number,
            "pred_pixels": 20,
            "dice": value,
        }
        for number, value in enumerate(dice)
    ]
    for name, values in columns.items():
        for number, row in enumerate(rows):
            if values is None:
                del row[name]
            else:
                row[name] = values[number]
    return rows


def write_table(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_run(folder, dice, settings=SETTINGS, metrics=("dice",), data="/data/busi", **columns):
    """A folder as an evaluation leaves it behind."""
    rows = rows_of(dice, data, **columns)
    write_table(folder / "per_image.csv", rows)
    published = [row for row in rows if row["label"]]
    means = {name: summarize([float(row[name]) for row in published]) for name in metrics}
    summary = {**settings, "images": len(published), "metrics": means}
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def scores(count=12, seed=0):
    return np.random.default_rng(seed).uniform(0.3, 0.9, count).round(4)


def everything(folder: Path):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
