"""Train and test what the paper's table shows, and print it beside own numbers; what is finished is not done again.

Data sets are those prepared below --data that have published numbers; --datasets names others, or folders elsewhere.
Each network and test has a folder below --out; the same command goes on where it was stopped. docs/reproduce.md says
what the columns mean, and which of them must not be compared.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quickstart import keep_quiet
from reproduce.plan import PROTOCOLS, Protocol, cells, chosen_folders, description, richest_level, tests
from reproduce.running import Part, Runner, by_ray, one_by_one
from reproduce.tables import efficiency_table, generalization_table, paper_table

from monai_vlsm.commands import add_ray
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import show_user_errors_plainly
from monai_vlsm.networks import METHODS
from monai_vlsm.networks.backbone import resolve_name

SOURCES = {
    "paper": "Published: Table 1 of arXiv 2405.06196 (naamiinepal/vlsm-adapter@d5b5a5e, media/results.png), prompts "
    "drawn at random; the code of its HD95 is not public. Ours: at the size of each image, HD95 in its pixels.",
    "medclipseg": "Published: tahakoleilat.github.io/MedCLIPSeg (arXiv 2602.20423), Dice at 224 x 224, a sentence "
    "per image. Ours: the recipe of the bundles at 224 x 224, their sentences (p2), Dice at the size of each image.",
}
AVERAGED = (
    "Ours: mean over test entries of the mean over seeds, with a 95 % bootstrap interval over patients (images where "
    "none are named); Dice and IoU in %, both masks empty: 1, one empty: 0, and no HD95."
)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="paper", help="whose tables (default: %(default)s)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="prepared data sets (default: %(default)s)")
    parser.add_argument("--datasets", nargs="+", metavar="NAME[=FOLDER]", help="(default: all that are prepared)")
    parser.add_argument(
        "--methods", nargs="+", choices=[name for name in METHODS if name != "zero_shot"],
        default=["dense", "shallow", "decoder"], help="(default: dense shallow decoder)",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[41, 42, 43], help="(default: the paper's, 41 42 43)")
    parser.add_argument("--out", type=Path, default=Path("reproduced"), help="of everything (default: %(default)s)")
    parser.add_argument("--table-only", action="store_true", help="print what is finished, and train nothing")
    engine = parser.add_argument_group("where it is computed (docs/scale.md)")
    engine.add_argument("--engine", choices=("local", "ray"), default="local", help="one process, or several by Ray")
    add_ray(engine, "networks at once (default: one per GPU, else per four cores)")
    trial = parser.add_argument_group("to try the script; numbers are not comparable then")
    trial.add_argument("--backbone", help="hub id, folder or tiny (default: that of the bundles)")
    trial.add_argument("--max-epochs", type=int, help="(default: those of the bundles)")
    trial.add_argument("--image-size", type=int, help="pixels (default: that of the protocol)")
    trial.add_argument("--batch-size", type=int, help="(default: that of the bundles)")
    return parser.parse_args(arguments)


def work(parts: Sequence[Part], given: argparse.Namespace) -> list[str]:
    """Train and test all networks; return what failed, which is left out of the tables."""
    failed, start = [], time.perf_counter()
    finished = by_ray(parts, given.address, given.workers) if given.engine == "ray" else one_by_one(parts)
    # Whatever it is that fails, the other networks may take days, and do not depend on it.
    for number, (part, done, failure) in enumerate(finished, 1):
        told = f"failed: {failure}" if failure else "done" if done else "was finished"
        minutes = (time.perf_counter() - start) / 60
        print(f"[{number}/{len(parts)}] {part.cell.name}, after {minutes:.1f} minutes: {told}", flush=True)
        failed += [f"{part.cell.name}: {failure}"] if failure else []
    return failed


def report(runner: Runner, protocol: Protocol, folders: Mapping[str, Path], given: argparse.Namespace) -> str:
    """Return the tables with what must be known to read them."""
    datasets = list(dict.fromkeys(cell.dataset for cell in cells(protocol, folders, given.methods, given.seeds)))
    if protocol.name == "paper":
        richest = {name: richest_level(folders[name]) for name in datasets}
        tables = [paper_table(runner, datasets, given.methods, given.seeds, richest)]
    else:
        sources = {
            name: [target for target in targets if target in folders]
            for name, targets in protocol.targets.items()
            if name in datasets
        }
        tables = [
            efficiency_table(runner, datasets, given.methods, given.seeds),
            generalization_table(runner, sources, given.methods, given.seeds),
        ]
    notes = [
        SOURCES[protocol.name],
        AVERAGED,
        *trial_notes(runner.values, protocol),
        *(f"{name}: {told_data(protocol, folder)}." for name, folder in folders.items()),
    ]
    return "\n\n".join([*tables, *notes])


def told_data(protocol: Protocol, folder: Path) -> str:
    """Return how a data set was prepared, with a warning where its prompts are others than the protocol's."""
    told = description(folder) or "published layout"
    if protocol.name == "medclipseg" and "prompts medclipseg" not in told:
        return f"{told}; **p2 is not the sentence of MedCLIPSeg, not comparable**"
    return told


def trial_notes(values: Mapping[str, Any], protocol: Protocol) -> list[str]:
    """Return what the networks were made of, with the warning that numbers of a trial need."""
    other = {key: value for key, value in values.items() if protocol.values.get(key) != value and key != "backbone"}
    told = ", ".join(f"{key} {value}" for key, value in other.items())
    if other or values["backbone"] == "tiny":
        return [f"**Not comparable with what was published**: backbone {values['backbone']}{told and ', ' + told}."]
    return [f"Backbone: {values['backbone']}."]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 1 if something failed."""
    given = parse_arguments(arguments)
    # Two of the same would write into one folder, and count twice.
    given.methods, given.seeds = (list(dict.fromkeys(values)) for values in (given.methods, given.seeds))
    show_user_errors_plainly()
    keep_quiet()
    protocol = PROTOCOLS[given.protocol]
    folders = chosen_folders(protocol, given.data, given.datasets)
    trial = {key: getattr(given, key) for key in ("max_epochs", "image_size", "batch_size")}
    values = {"backbone": resolve_name(given.backbone), **{key: value for key, value in trial.items() if value}}
    runner = Runner(given.out, folders, {**protocol.values, **values})
    planned = cells(protocol, folders, given.methods, given.seeds)
    parts = [Part(runner, cell, list(tests(protocol, folders, cell))) for cell in planned]
    failed = [] if given.table_only else work(parts, given)
    text = report(runner, protocol, folders, given)
    table = given.out / f"{protocol.name}.md"
    with replace_whole(table) as part:
        part.write_text(text + "\n", encoding="utf-8")
    print(f"\n{text}\n\nwritten to {table.absolute()}")
    for line in failed:
        print(f"failed: {line}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
