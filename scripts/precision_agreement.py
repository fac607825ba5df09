"""Compare the masks of a trained bundle in each precision with those in float32: Dice between them, image by image."""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np

from monai_vlsm import Predictor, load_datalist
from monai_vlsm.data.masks import dice_of

PRECISIONS = ("float32", "bfloat16", "float16")


def masks(bundle: str, dataset_dir: str, split: str, precision: str) -> list[np.ndarray]:
    """Return the mask of every entry of a split, with its prompt of the level p1."""
    predictor, found, shown = Predictor.from_bundle(bundle, precision=precision), [], ""
    for entry in load_datalist(dataset_dir, split):
        if entry["image"] != shown:
            predictor.set_image(entry["image"])
            shown = entry["image"]
        found.append(predictor.predict(entry["prompts"]["p1"][0]).mask)
    return found


def main() -> None:
    """Run the command line and print a row for each precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("bundle", help="folder of a bundle with a trained models/model.pt")
    parser.add_argument("--dataset-dir", help="data set (default: data/ and the name of the bundle)")
    parser.add_argument("--split", default="test", choices=("training", "validation", "test"), help="whose images")
    given = parser.parse_args()
    dataset_dir = given.dataset_dir or str(Path("data") / Path(given.bundle).name)
    exact, *others = (masks(given.bundle, dataset_dir, given.split, precision) for precision in PRECISIONS)
    print("| precision | masks | Dice with float32, mean | smallest |\n|---|---|---|---|")
    for precision, rounded in zip(PRECISIONS[1:], others, strict=True):
        scores = [dice_of(*pair) for pair in zip(exact, rounded, strict=True)]
        print(f"| {precision} | {len(scores)} | {statistics.mean(scores):.4f} | {min(scores):.4f} |")


if __name__ == "__main__":
    main()
