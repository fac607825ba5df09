"""Simulate which image to label next: label some of the phantom, train, choose more, train on; by several strategies.

``python scripts/next_image_study.py study/`` goes on where it was stopped, and prints a table at the end. As on a label
server the network is trained on, not anew. An image that is chosen gets the labels of all its classes; a class is asked
for by its prompt of the level p1, and the classes take turns when images are chosen.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import CacheDataset
from monai.losses import DiceCELoss
from monai.utils import set_determinism
from torch import nn
from torch.utils.data import DataLoader, RandomSampler

from monai_vlsm import CLIPSegDenseAdapter, Predictor, load_datalist, trained_parameters, training_transform
from monai_vlsm.data.masks import dice_of
from monai_vlsm.data.phantom import CLASSES, write_phantom
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.pages import Page
from monai_vlsm.pages.plots import Line, line_plot
from monai_vlsm.statistics import compare_paired, summarize
from monai_vlsm.statistics.next_image import STRATEGIES, Chances, Seen, draw, mean_entropy
from monai_vlsm.transforms import LoadMaskd

Entry = dict[str, Any]
LEVEL = "p1"
BASE = "random"
"""What the others are compared with."""
ARMS: dict[str, Chances] = {BASE: lambda seen, labels: np.ones(len(seen)), **STRATEGIES}
ROUND = 10
"""Images that are labeled at first, and in each round."""
BATCH = 8


def train(network: nn.Module, entries: Sequence[Entry], steps: int, seed: int) -> None:
    """Train a network on, on entries drawn at random."""
    set_determinism(seed)
    items = CacheDataset(entries, training_transform(network, LEVEL), progress=False)
    optimizer = torch.optim.AdamW(trained_parameters(network), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss = DiceCELoss(sigmoid=True, lambda_dice=1.5)
    network.train()
    drawn = RandomSampler(items, replacement=True, num_samples=BATCH * steps)
    for batch in DataLoader(items, BATCH, sampler=drawn):
        optimizer.zero_grad()
        loss(network(batch["image"], batch["input_ids"], batch["attention_mask"]), batch["label"]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.5)
        optimizer.step()
        schedule.step()


def test_dice(network: nn.Module, entries: Sequence[Entry]) -> list[float]:
    """Return the Dice of each entry at the size of its image; two empty masks are 1."""
    predictor, found, shown = Predictor(network, "cpu"), [], ""
    for entry in entries:
        if entry["image"] != shown:
            predictor.set_image(entry["image"])
            shown = entry["image"]
        mask = predictor.predict(entry["prompts"][LEVEL][0]).mask
        truth = LoadMaskd("label")({"label": entry["label"]})["label"][0].numpy().astype(bool).T
        found.append(dice_of(mask, truth))
    return found


def look_at(network: nn.Module, images: Sequence[str]) -> list[dict[str, Seen]]:
    """Return what a network sees of each class in each image, from one encoding."""
    predictor, seen = Predictor(network, "cpu"), []
    for image in images:
        predictor.set_image(image)
        answers = {name: predictor.predict(name) for name in CLASSES}
        seen.append({name: Seen(one.presence, mean_entropy(one.probability)) for name, one in answers.items()})
    return seen


def choose(strategy: str, network: nn.Module, pool: Sequence[str], labels: int, rng: np.random.Generator) -> list[str]:
    """Return the images of the pool that are labeled next."""
    seen = look_at(network, pool)
    left, chosen = list(range(len(pool))), []
    for turn in range(ROUND):
        name = CLASSES[turn % len(CLASSES)]
        chances = ARMS[strategy]([seen[place][name] for place in left], labels)
        chosen.append(pool[left.pop(draw(chances, rng))])
    return chosen


def run(strategy: str, seed: int, first: nn.Module, begin: list[str], data: Path, given: Any) -> list[dict[str, Any]]:
    """Return the rounds of one arm: number of labels, images that were added, Dice of the test entries."""
    network, labeled, rounds = copy.deepcopy(first), list(begin), []
    rng = np.random.default_rng(seed)
    training, test = load_datalist(data, "training"), load_datalist(data, "test")
    images = sorted({entry["image"] for entry in training})
    added = begin
    for number in range(given.rounds + 1):
        if number:
            pool = [image for image in images if image not in labeled]
            added = choose(strategy, network, pool, len(labeled), rng)
            labeled += added
            train(network, [entry for entry in training if entry["image"] in labeled], given.steps, seed + number)
        names = [Path(image).name for image in added]
        dice = test_dice(network, test)
        rounds.append({"labels": len(labeled), "added": names, "dice": dice})
        print(f"{strategy}, seed {seed}, {len(labeled)} labels: {np.mean(dice):.3f}", flush=True)
    return rounds


def simulate(folder: Path, given: Any) -> dict[str, list[dict[str, Any]]]:
    """Run what is missing, and return the rounds by "seed strategy"."""
    file = folder / "study.json"
    done = json.loads(file.read_text()) if file.exists() else {}
    data = folder / "phantom"
    write_phantom(data, {"training": given.pool, "validation": 1, "test": given.test}, seed=11, progress=False)
    training = load_datalist(data, "training")
    images = sorted({entry["image"] for entry in training})
    for seed in range(given.seeds):
        missing = [strategy for strategy in ARMS if f"{seed} {strategy}" not in done]
        if not missing:
            continue
        begin = [str(image) for image in np.random.default_rng(seed).choice(images, ROUND, replace=False)]
        set_determinism(seed)
        first = CLIPSegDenseAdapter("tiny", precision="float32")
        train(first, [entry for entry in training if entry["image"] in begin], given.first_steps, seed)
        for strategy in missing:
            done[f"{seed} {strategy}"] = run(strategy, seed, first, begin, data, given)
            with replace_whole(file) as part:
                part.write_text(json.dumps(done))
    return done


def report(folder: Path, done: Mapping[str, Any], groups: Sequence[str]) -> None:
    """Print the tables, and write ``study.html`` with the curves.

    The Dice of a test entry is averaged over the seeds; intervals are over test images, entries of one drawn together.
    """
    begun = sorted({int(key.split()[0]) for key in done})
    seeds = [seed for seed in begun if all(f"{seed} {name}" in done for name in ARMS)]
    print(f"seeds: {seeds}\n")
    labels = [one["labels"] for one in done[f"{seeds[0]} {BASE}"]]
    # (seeds, rounds, entries) of each strategy
    dice = {name: np.array([[r["dice"] for r in done[f"{seed} {name}"]] for seed in seeds]) for name in ARMS}
    told = {name: [summarize(per.tolist(), groups) for per in table.mean(0)] for name, table in dice.items()}
    print(f"| labels | {' | '.join(ARMS)} |\n|{'---|' * (len(ARMS) + 1)}")
    for at, count in enumerate(labels):
        print(f"| {count} | {' | '.join(_cell(told[name][at]) for name in ARMS)} |")
    print(f"\n| mean over the rounds, less {BASE} | difference | of each seed |\n|---|---|---|")
    first = dice[BASE][:, 1:].mean(1)
    for name in STRATEGIES:
        second = dice[name][:, 1:].mean(1)
        pair: Any = compare_paired(first.mean(0), second.mean(0), groups)
        each = ", ".join(f"{one:+.3f}" for one in (second - first).mean(1))
        print(f"| {name} | {pair.difference:+.3f} ({pair.ci95[0]:+.3f} to {pair.ci95[1]:+.3f}) | {each} |")
    page = Page("Which image next, simulated on the phantom")
    page.section("Dice on the test images")
    curves = [_curve(name, labels, means) for name, means in told.items()]
    page.plots(line_plot(curves, "labeled images", "Dice of the test images", "Dice over labeled images by strategy"))
    page.write(folder / "study.html")


def _cell(told: Mapping[str, Any]) -> str:
    low, high = told["ci95"]
    return f"{told['mean']:.3f} ({low:.3f} to {high:.3f})"


def _curve(name: str, labels: Sequence[int], means: Sequence[Mapping[str, Any]]) -> Line:
    low, high = np.array([told["ci95"] for told in means]).T
    return Line(name, labels, [told["mean"] for told in means], low, high, points=True)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the phantom, what was done, and the page")
    parser.add_argument("--pool", type=int, default=120, help="images that could be labeled")
    parser.add_argument("--test", type=int, default=60, help="test images")
    parser.add_argument("--rounds", type=int, default=5, help="after the first labels")
    parser.add_argument("--seeds", type=int, default=3, help="each with other first labels")
    parser.add_argument("--first-steps", type=int, default=100, help="of training on the first labels")
    parser.add_argument("--steps", type=int, default=40, help="of training in each round")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    done = simulate(given.folder, given)
    test = load_datalist(given.folder / "phantom", "test")
    report(given.folder, done, [entry["image"] for entry in test])


if __name__ == "__main__":
    main()
