"""Compare scores of presence: the mean of more or fewer of the highest logits, on the validation split of a bundle."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from monai_vlsm.data import absent_entries, load_datalist
from monai_vlsm.data.absent import is_empty_mask
from monai_vlsm.predictor import Predictor
from monai_vlsm.statistics import auroc, false_positive_rate
from monai_vlsm.transforms import presence_score

SHARES = (0.001, 0.003, 0.01, 0.02, 0.03, 0.05)


def entries_of(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what is asked about each image of the split, as an evaluation with ``absent`` does, image by image."""
    config = json.loads((Path(arguments.bundle) / "configs" / "train.json").read_text(encoding="utf-8"))
    entries = load_datalist(arguments.dataset_dir, arguments.split)
    asked = entries + absent_entries(entries, config["absent_prompts"])
    return sorted(asked, key=lambda entry: entry["image"])


def scored(predictor: Predictor, entries: Sequence[dict[str, Any]], level: str) -> Iterator[tuple[list[float], bool]]:
    """Yield the score of each share, and whether the target is there, for every prompt."""
    shown = None
    for entry in tqdm(entries, desc="asking", unit="prompt"):
        if entry["image"] != shown:
            shown = entry["image"]
            predictor.set_image(shown)
        probability = torch.from_numpy(predictor.predict(entry["prompts"][level][0]).probability)
        logits = probability.double().clamp(1e-12, 1 - 1e-12).logit()
        yield [presence_score(logits, share) for share in SHARES], not is_empty_mask(entry["label"])


def print_table(cases: Sequence[tuple[list[float], bool]]) -> None:
    """Print how each share tells present from absent targets."""
    present = [there for _, there in cases]
    print(f"{sum(present)} prompts with target, {len(present) - sum(present)} without")
    print("share    AUROC   false positives at 95 % sensitivity")
    for at, share in enumerate(SHARES):
        scores = [found[at] for found, _ in cases]
        print(f"{share:<7g}{auroc(scores, present):>7.3f}   {false_positive_rate(scores, present):.3f}")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--bundle", required=True, help="folder of a trained bundle")
    parser.add_argument("--dataset-dir", required=True, help="folder of its data set")
    parser.add_argument("--split", default="validation", help="on which the share is chosen")
    parser.add_argument("--prompt-level", default="p1", help="of the prompts")
    arguments = parser.parse_args()
    predictor = Predictor.from_bundle(arguments.bundle)
    print_table(list(scored(predictor, entries_of(arguments), arguments.prompt_level)))


if __name__ == "__main__":
    main()
