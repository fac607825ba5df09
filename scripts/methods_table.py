"""Print the table of docs/methods.md: what each method costs at full size, and its Dice on the samples of BUSI.

What is finished lies below --out and is not done again. Costs are those of ``scripts/benchmark --only methods``, a
process for each method; networks are trained and tested by ``scripts/reproduce_paper.py``, and exported to ONNX.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from monai_vlsm.errors import MissingFileError
from monai_vlsm.exporting import export_bundle
from monai_vlsm.networks import METHODS
from monai_vlsm.reports.runs import read_run

SCRIPTS = Path(__file__).resolve().parent
BUNDLE = SCRIPTS.parent / "bundles" / "busi"

TRIAL = ["--backbone", "tiny", "--max-epochs", "30", "--batch-size", "8", "--seeds", "42"]


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the data set busi, or samples of it")
    parser.add_argument("--out", type=Path, default=Path("methods"), help="of everything (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=METHODS, default=list(METHODS), help="(default: all)")
    parser.add_argument("--table-only", action="store_true", help="print what is finished, and measure nothing")
    return parser.parse_args(arguments)


def measure(out: Path, data: Path, methods: Sequence[str]) -> None:
    """Measure, train and test what is missing."""
    (out / "costs").mkdir(parents=True, exist_ok=True)
    for method in (name for name in methods if not _costs_file(out, name).is_file()):
        if method != "zero_shot":
            given = ["--methods", method, "--threads", "1", "--batch-size", "1", "--repeats", "1"]
            _run([str(SCRIPTS / "benchmark"), "--only", "methods", *given, "--json", str(_costs_file(out, method))])
    if "zero_shot" in methods and not dice(out, "zero_shot"):
        files = json.dumps([str(BUNDLE / "configs" / f"{name}.json") for name in ("train", "evaluate")])
        values = {"dataset_dir": data.absolute(), "output_dir": _test_folder(out, "zero_shot").absolute()}
        given = [word for key, value in values.items() for word in (f"--{key}", str(value))]
        evaluate = ["-m", "monai.bundle", "run", "evaluating", "--config_file", files, "--zero_shot", "True"]
        _run([*evaluate, "--backbone", "tiny", *given])
    trained = [name for name in methods if name != "zero_shot"]
    if trained:
        script = [str(SCRIPTS / "reproduce_paper.py"), "--datasets", f"busi={data.absolute()}", *TRIAL]
        _run([*script, "--methods", *trained, "--out", str(out / "trained")])
    for method in (name for name in trained if not _card_file(out, name).is_file()):
        bundle = out / "bundle"
        shutil.copytree(BUNDLE, bundle, dirs_exist_ok=True)
        (bundle / "models").mkdir(exist_ok=True)
        shutil.copyfile(_trained_folder(out, method) / "models" / "model.pt", bundle / "models" / "model.pt")
        export_bundle(bundle, _card_file(out, method).parent, backbone="tiny")


def table(out: Path, methods: Sequence[str]) -> str:
    """Return a line per method; cells of what is not finished are empty."""
    heads = ["method", "trained parameters", "checkpoint, MB", "CPU s of a step", "GiB of a step", "Dice", "ONNX"]
    rows = [[method, *costs(out, method), dice(out, method), difference(out, method)] for method in methods]
    return "\n".join(f"| {' | '.join(row)} |" for row in [heads, ["---"] * len(heads), *rows])


def costs(out: Path, method: str) -> list[str]:
    """Return trained parameters, MB of a checkpoint, CPU seconds and GiB of a step, as text."""
    if not _costs_file(out, method).is_file():
        return [""] * 4
    rows = json.loads(_costs_file(out, method).read_text(encoding="utf-8"))["rows"].get("methods", [])
    numbers = [row["ours"] for row in rows] or [None] * 4
    return [
        "" if number is None else f"{number:,.{places}f}" for number, places in zip(numbers, (0, 3, 1, 2), strict=True)
    ]


def dice(out: Path, method: str) -> str:
    """Return the mean Dice of the test split asked by class name, as text; empty where it is not finished."""
    try:
        return f"{read_run(_test_folder(out, method)).metrics['dice'].mean():.3f}"
    except MissingFileError:
        return ""


def difference(out: Path, method: str) -> str:
    """Return how far probabilities of the exported files are from the network's at most, as text."""
    if not _card_file(out, method).is_file():
        return ""
    return f"{json.loads(_card_file(out, method).read_text(encoding='utf-8'))['largest_difference']:.0e}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    given = parse_arguments(arguments)
    if not given.table_only:
        measure(given.out, given.data, given.only)
    print(table(given.out, given.only))


def _costs_file(out: Path, method: str) -> Path:
    return out / "costs" / f"{method}.json"


def _test_folder(out: Path, method: str) -> Path:
    if method == "zero_shot":
        return out / "zero_shot"
    return _trained_folder(out, method) / "eval" / "busi_p1"


def _trained_folder(out: Path, method: str) -> Path:
    return out / "trained" / "busi" / method / "seed42"


def _card_file(out: Path, method: str) -> Path:
    return out / "onnx" / method / "card.json"


def _run(command: Sequence[str]) -> None:
    subprocess.run([sys.executable, *command], check=True)


if __name__ == "__main__":
    main()
