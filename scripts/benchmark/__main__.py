"""Measure this package against the public way of running the same network: python scripts/benchmark [options].

Both sides have the same weights and must give the same numbers first. Then they run in turn, A B A B ...; ratios are
medians over the pairs, ours divided by the baseline's: below 1 is better, but for images per second.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import machine
import torch
from bench import Bench, NotMeasured, Row

CASES = {
    "step": "network_cases",
    "prediction": "network_cases",
    "prompts": "network_cases",
    "memory": "network_cases",
    "checkpointed_memory": "network_cases",
    "compiled_step": "network_cases",
    "run_training": "loop_cases",
    "training_loop": "loop_cases",
    "validation_loop": "loop_cases",
    "cached_bytes": "loop_cases",
    "cached_features": "loop_cases",
    "predict_command": "command_cases",
    "archive": "command_cases",
    "evaluation": "command_cases",
    "methods": "network_cases",
    "sizes": "size_cases",
}
"""The module of each case. A case is imported when it runs: a machine without a reader of images can run the others."""
WITHOUT_PRECISION = ("training_loop", "validation_loop", "cached_bytes", "predict_command", "evaluation")
TASKS = {"peak": "network_cases", "predict_files": "size_cases"}
"""What ``in_own_process`` runs."""
PRECISIONS = ("float32", "bfloat16", "float16")
FAILED = "failed"


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python scripts/benchmark", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true", help="name the cases, and stop")
    parser.add_argument("--only", nargs="+", choices=CASES, metavar="CASE", help="measure these cases (default: all)")
    parser.add_argument("--methods", nargs="+", default=[], metavar="NAME", help="of the case 'methods' (default: all)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where both sides run (default: cpu)")
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=PRECISIONS,
        default=["float32"],
        help="of our side. The baseline has float32, or float16 autocast on CUDA against ours in 16 bits; a CPU "
        "without AVX512-BF16 or AMX emulates bfloat16, which tells nothing (default: float32)",
    )
    parser.add_argument("--repeats", type=int, default=5, help="pairs that count, after one that does not (default: 5)")
    parser.add_argument(
        "--batch-size", type=int, metavar="IMAGES", help="per training step (default: 4 on a CPU, 32 on CUDA)"
    )
    parser.add_argument(
        "--threads", type=int, help="CPU threads of PyTorch; 1 on a busy machine (default: its own choice)"
    )
    parser.add_argument(
        "--budget", type=float, default=float("inf"), metavar="SECONDS", help="begin nothing after this time"
    )
    parser.add_argument("--toy", action="store_true", help="tiny backbone and small images: does everything work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers, with machine and versions")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def measure(bench: Bench, cases: list[str]) -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Return the rows of each case, printed as they come, and why others were not measured."""
    rows: dict[str, list[Row]] = {}
    reasons: dict[str, str] = {}
    for case in cases:
        for precision in ("",) if case in WITHOUT_PRECISION else bench.precisions:
            name = f"{case} {precision}".strip()
            try:
                if bench.seconds_left <= 0:
                    raise NotMeasured("the time was up")
                with contextlib.redirect_stderr(io.StringIO()):  # progress bars
                    found = getattr(importlib.import_module(CASES[case]), case)(bench, precision)
            except Exception as error:  # whatever it is, the machine may be lent: the other cases are measured
                told = "" if isinstance(error, NotMeasured) else f"{FAILED}, {type(error).__name__}: "
                reasons[name] = f"{told}{error}"
                print(f"| {name} | | | not measured: {reasons[name]} | | |", flush=True)
                continue
            rows.setdefault(case, []).extend(found)
            for row in found:
                print(table_line(row), flush=True)
    return rows, reasons


def table_line(row: Row) -> str:
    """Return a row of the printed table."""
    numbers = ("" if value is None else f"{value:.4g}" for value in (row.ours, row.baseline, row.ratio))
    return f"| {row.what} | {row.precision} | {row.unit} | {' | '.join(numbers)} |"


def run_task(text: str) -> str:
    """Do what ``in_own_process`` asks for, and return what it gave as JSON."""
    name, options, arguments = json.loads(text)
    bench = Bench.from_options(options)
    with contextlib.redirect_stdout(sys.stderr):
        given = getattr(importlib.import_module(TASKS[name]), name)(bench, **arguments)
    return json.dumps(given)


def listed() -> str:
    """Return a line per case: its name and what it measures."""
    described = {case: getattr(importlib.import_module(module), case).__doc__ for case, module in CASES.items()}
    return "\n".join(f"{case:<20} {text}" for case, text in described.items())


def main(arguments: list[str] | None = None) -> dict[str, Any] | None:
    """Run the command line; return what ``--json`` writes."""
    given = parse_arguments(arguments)
    warnings.filterwarnings("ignore")
    if given.threads:
        torch.set_num_threads(given.threads)
        os.environ["OMP_NUM_THREADS"] = str(given.threads)  # for the processes that cases start
    if given.task or given.list:
        print(run_task(given.task) if given.task else listed())
        return None
    deadline = time.monotonic() + given.budget
    bench = Bench(
        given.device, tuple(given.precision), given.repeats, given.toy, deadline, given.batch_size, tuple(given.methods)
    )
    facts = machine.describe(given.device)
    print(", ".join(f"{name} {value}" for name, value in facts.items()), "\n")
    print("| what | precision | unit | ours | baseline | ratio |\n|---|---|---|---|---|---|", flush=True)
    rows, reasons = measure(bench, given.only or list(CASES))
    result = {
        "options": {"device": bench.device, "repeats": bench.repeats, "toy": bench.toy, "batch_size": bench.batch_size},
        "machine": facts,
        "rows": {case: [vars(row) for row in found] for case, found in rows.items()},
        "not_measured": reasons,
    }
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    logging.disable(logging.INFO)
    done = main()
    sys.exit(done is not None and any(reason.startswith(FAILED) for reason in done["not_measured"].values()))
