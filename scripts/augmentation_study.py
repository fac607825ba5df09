"""Print the table of docs/augment.md: what the key ``augment`` does to the Dice of ``tiny`` on samples of a data set.

``python scripts/augmentation_study.py --data busi=SAMPLES`` trains and tests; what is finished lies below --out and is
not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from quickstart import keep_quiet
from reproduce.plan import Cell
from reproduce.running import Runner

from monai_vlsm.errors import show_user_errors_plainly

KINDS = ("none", "intensity", "geometry", "all")
QUICK = {"backbone": "tiny", "batch_size": 8, "paraphrases": 0, "overlays": 0}
"""Values of all networks and tests."""
LEVELS = ("p1", "p6")
"""By class name, and with the place of what is asked for."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="NAME=FOLDER", help="a data set that has a bundle, prepared")
    parser.add_argument("--out", type=Path, default=Path("augmented"), help="of everything (default: %(default)s)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of augmentation (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43, 44], help="(default: 42 43 44)")
    parser.add_argument("--max-epochs", type=int, default=30, help="(default: %(default)s)")
    return parser.parse_args(arguments)


def scores(runner: Runner, dataset: str, seeds: Sequence[int]) -> list[str]:
    """Train and test what is missing; return the mean Dice of each level, with those of the seeds."""
    cells = [Cell(dataset, "dense", seed) for seed in seeds]
    for cell in cells:
        runner.train(cell)
    return [_mean_of_seeds(runner, cells, level) for level in LEVELS]


def _mean_of_seeds(runner: Runner, cells: Sequence[Cell], level: str) -> str:
    means = []
    for cell in cells:
        runner.test(cell, cell.dataset, level)
        done = runner.result(cell, cell.dataset, level)
        means += [] if done is None else [float(done.metrics["dice"].mean())]
    return f"{sum(means) / len(means):.3f} ({', '.join(f'{mean:.3f}' for mean in means)})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    given = parse_arguments(arguments)
    show_user_errors_plainly()
    keep_quiet()
    name, _, folder = given.data.partition("=")
    print(f"| augment | {' | '.join(f'Dice at {level} (each seed)' for level in LEVELS)} |")
    print("|---" * (1 + len(LEVELS)) + "|")
    for kind in given.kinds:
        values = {**QUICK, "max_epochs": given.max_epochs, "augment": kind}
        runner = Runner(given.out / kind, {name: Path(folder)}, values)
        print(f"| {kind} | {' | '.join(scores(runner, name, given.seeds))} |", flush=True)


if __name__ == "__main__":
    main()
