"""``tune``: search the values of a bundle's training."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.bundle import bundle_config, find_bundle, read_without_foreign_code
from monai_vlsm.bundle.files import parse_json, read_file
from monai_vlsm.bundle.released import OWN_BACKBONE, released
from monai_vlsm.bundle.values import RULES
from monai_vlsm.commands import TRUST_HELP, add_ray, count
from monai_vlsm.data import load_datalist
from monai_vlsm.errors import DataError
from monai_vlsm.rules import require_value

if TYPE_CHECKING:
    from monai_vlsm.tuning.results import Row
    from monai_vlsm.tuning.space import Space
    from monai_vlsm.tuning.study import Search

_SHOWN = 20
"""Trials, in the terminal."""
_EXAMPLES = """examples:
  monai-vlsm tune phantom --trials 8 --out tuned
  monai-vlsm tune busi --space space.json --trials 50 --workers 4
  monai-vlsm tune busi --space space.json --trials 50 --address auto

A space: {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": true}, "method": ["dense", "lora"], "max_epochs": 50}
The same command goes on where it was stopped. All about it: docs/tune.md."""


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "tune",
        help="search the values of a bundle's training: learning rate, method, size of adapters ...",
        description="Train a bundle many times, with values that Optuna chooses; those that are behind are stopped.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", help="name below bundles/, or folder of a bundle")
    parser.add_argument("--trials", type=count, required=True, metavar="N", help="in all, those of earlier runs too")
    parser.add_argument("--space", type=Path, metavar="FILE", help="JSON: keys of train.json with choices or a range")
    parser.add_argument("--out", type=Path, default=Path("tuned"), help="folder for all results (default: %(default)s)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data set (default: the bundle's dataset_dir)")
    parser.add_argument("--seed", type=int, help="of what is drawn (default: the bundle's)")
    add_ray(parser, "trials at once (default: one per GPU, else per four cores)")
    parser.add_argument("--trust", action="store_true", help=TRUST_HELP)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from monai_vlsm.tuning.page import search_page
    from monai_vlsm.tuning.results import best_of, rows_of, training_command, write_results
    from monai_vlsm.tuning.search import run_search

    bundle = find_bundle(arguments.bundle)
    search, space = _asked(arguments, bundle_config(bundle, "train"))
    study = run_search(search, space, arguments.trials, arguments.address, arguments.workers)
    rows = rows_of(study, search, space)
    best = best_of(rows)
    command = training_command(bundle, search.out, best) if best else ""
    write_results(rows, search.out)
    search_page(space.config["bundle_name"], rows, space, command).write(search.out / "index.html")
    print(_as_text(rows, list(space.varied)))
    print(f"written to {search.out}" + (f"; the best one again:\n{command}" if best else ": no trial was finished"))
    return int(best is None)


def _asked(arguments: argparse.Namespace, path: Path) -> tuple[Search, Space]:
    """Return what is searched in the configuration at ``path``, once all that is needed is known to be there."""
    from monai_vlsm.tuning.space import read_space, require_buildable
    from monai_vlsm.tuning.study import Search

    config = _with_all_keys(parse_json(read_file(path), path)) if arguments.trust else read_without_foreign_code(path)
    config = _for_folders_of_trials(config, path.absolute().parents[1])
    space = read_space(arguments.space, config)
    if arguments.space is None:
        print(f"searched: {json.dumps(space.told())}")
    require_buildable(space)
    seed = config["seed"] if arguments.seed is None else arguments.seed
    require_value(RULES["seed"], seed, "seed")
    data = None if arguments.data is None else os.path.abspath(arguments.data)
    for split in ("training", "validation"):
        load_datalist(data or config["dataset_dir"], split)
    return Search(Path(os.path.abspath(arguments.out)), config, space.told(), seed, data), space


def _with_all_keys(config: dict[str, Any]) -> dict[str, Any]:
    missing = {"backbone", "bundle_name", "dataset_dir", "max_epochs", "method", "seed"} - config.keys()
    if missing:
        raise DataError(f"the training of the bundle has no key {min(missing)!r}: tune needs one of this version.")
    for key in ("max_epochs", "method"):
        require_value(RULES[key], config[key], key)
    return config


def _for_folders_of_trials(config: dict[str, Any], bundle: Path) -> dict[str, Any]:
    """Return a configuration that writes below its ``bundle_root`` alone, and takes the backbone in the bundle."""
    template = released("train.json").template
    places: dict[str, Any] = {key: template[key] for key in ("output_dir", "cache_dir") if key in config}
    backbone = str(bundle / "models" / "backbone") if config["backbone"] == OWN_BACKBONE else config["backbone"]
    return {**config, **places, "backbone": backbone}


def _as_text(rows: Sequence[Row], keys: Sequence[str]) -> str:
    """Return a table of the first trials, and what went wrong."""
    lines = [["trial", "outcome", "Dice", "epochs", *keys]]
    for row in rows[:_SHOWN]:
        dice = "" if row.dice is None else f"{row.dice:.4f}"
        lines.append([str(row.number), row.outcome, dice, str(row.epochs), *map(row.told, keys)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    more = [f"and {len(rows) - _SHOWN} more, see trials.csv"] if len(rows) > _SHOWN else []
    errors = [f"trial {row.number}: {row.error}" for row in rows if row.error]
    return "\n".join(line.encode("unicode_escape").decode() for line in [*table, *more, *errors[:_SHOWN]])
