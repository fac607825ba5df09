"""The published tables, with own numbers beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from monai_vlsm.errors import DataError
from monai_vlsm.reports.compare import units_of
from monai_vlsm.reports.runs import Run
from monai_vlsm.statistics import group_means, summarize
from monai_vlsm.statistics.intervals import CONFIDENCE, Floats
from reproduce.plan import PUBLISHED, RANDOM, Cell

PAPER: Mapping[str, Any] = json.loads(
    (Path(__file__).parents[1] / "bundles" / "paper_results.json").read_text(encoding="utf-8")
)
COLUMNS = {"dense": "DA", "shallow": "SA", "decoder": "CLIPSeg"}
"""Where the paper's table has our methods; its "CLIPSeg, end-to-end" trained the decoder alone."""

METRICS = ("dice", "iou", "hd95")
PERCENT = {"dice": 100, "iou": 100, "hd95": 1}


class Results(Protocol):
    """Gives the finished tests of a cell."""

    def result(self, cell: Cell, dataset: str, level: str) -> Run | None:
        """Return a test; None where it is not finished."""


def over_seeds(runs: Sequence[Run], metric: str) -> Floats:
    """Return the mean over seeds of each case, (N,); NaN where it is undefined for all of them.

    Raises:
        DataError: if the runs are not on the same images and masks in the same order.
    """
    shown = [[(case.image, case.label) for case in run.cases] for run in runs]
    if any(cases != shown[0] for cases in shown):
        raise DataError(f"expected tests on the same images in {str(runs[0].table)!r} and its like: evaluate anew.")
    values = np.stack([run.metrics[metric] for run in runs])
    defined = np.isfinite(values).sum(axis=0)
    return np.divide(np.nansum(values, axis=0), defined, out=np.full(defined.shape, np.nan), where=defined > 0)


def paper_table(
    results: Results, datasets: Sequence[str], methods: Sequence[str], seeds: Sequence[int], richest: Mapping[str, str]
) -> str:
    """Return Table 1 of the paper beside own numbers, at three kinds of prompts.

    Args:
        results: of the tests.
        datasets: rows, a block each.
        methods: rows of a block.
        seeds: that are averaged.
        richest: prompt level with most attributes, by data set.
    """
    header = [
        "data set",
        "method",
        "paper: Dice / IoU / HD95",
        "ours, p1",
        "ours, richest",
        "ours, random",
        "tests",
        "seeds",
    ]
    rows = [header, ["---"] * len(header)]
    for dataset in datasets:
        for method in methods:
            published = PAPER.get(dataset, {}).get(COLUMNS.get(method, ""), ())
            cells = [Cell(dataset, method, seed) for seed in seeds]
            found = {level: _runs(results, cells, dataset, level) for level in ("p1", richest[dataset], RANDOM)}
            first = next((runs[0] for runs in found.values() if runs), None)
            own = [_three(found[level]) for level in ("p1", richest[dataset], RANDOM)]
            own[1] = f"{richest[dataset]}: {own[1]}" if own[1] else ""
            paper = " / ".join(f"{value:.2f}" for value in published)
            counts = [_of(len(first.rows), PAPER.get(dataset, {}).get("test")) if first else "", _seeds(found, seeds)]
            rows.append([dataset, method, paper, *own, *counts])
    return _table(rows)


def efficiency_table(results: Results, datasets: Sequence[str], methods: Sequence[str], seeds: Sequence[int]) -> str:
    """Return MedCLIPSeg's data efficiency beside own numbers: Dice by the fraction of the training images."""
    fractions = list(PUBLISHED["data_efficiency"]["VLSM-Adapter"])
    header = ["", *(f"{float(fraction):.0%} of training images" for fraction in fractions)]
    rows = [header, ["---"] * len(header)]
    rows += [
        [f"{name}, mean of 6 sets, published", *(f"{numbers[fraction]:.2f}" for fraction in fractions)]
        for name, numbers in PUBLISHED["data_efficiency"].items()
    ]
    for method in methods:
        found = {
            (dataset, fraction): _runs(
                results, [Cell(dataset, method, seed, float(fraction)) for seed in seeds], dataset, "p2"
            )
            for dataset in datasets
            for fraction in fractions
        }
        rows += [[f"ours, {method}, {d}", *(_dice(found[d, fraction]) for fraction in fractions)] for d in datasets]
        means = [_mean_of_sets([found[dataset, fraction] for dataset in datasets]) for fraction in fractions]
        rows.append([f"ours, {method}, mean of these {len(datasets)} sets", *means])
    return _table(rows)


def generalization_table(
    results: Results, sources: Mapping[str, Sequence[str]], methods: Sequence[str], seeds: Sequence[int]
) -> str:
    """Return MedCLIPSeg's domain generalization beside own numbers: Dice on other sets than that of the training.

    Args:
        results: of the tests.
        sources: what was trained on, and what else its networks are tested on.
        methods: rows.
        seeds: that are averaged.
    """
    published = list(PUBLISHED["domain_generalization"])
    header = [
        "trained on",
        "tested on",
        *(f"{name}, published" for name in published),
        *(f"ours, {m}" for m in methods),
    ]
    rows = [header, ["---"] * len(header)]
    for source, targets in sources.items():
        for target in (source, *targets):
            numbers = [PUBLISHED["domain_generalization"][name].get(target) for name in published]
            own = [
                _dice(_runs(results, [Cell(source, method, seed) for seed in seeds], target, "p2"))
                for method in methods
            ]
            rows.append([source, target, *("" if n is None else f"{n:.2f}" for n in numbers), *own])
    return _table(rows)


def _runs(results: Results, cells: Sequence[Cell], dataset: str, level: str) -> list[Run]:
    found = (results.result(cell, dataset, level) for cell in cells)
    return [run for run in found if run is not None]


def _three(runs: Sequence[Run]) -> str:
    """Return Dice with its interval, IoU and HD95; empty without a test."""
    if not runs:
        return ""
    values = {name: summarize(over_seeds(runs, name).tolist())["mean"] for name in METRICS}
    others = (f"{values[name] * PERCENT[name]:.2f}" if values[name] is not None else "-" for name in METRICS[1:])
    return " / ".join([_dice(runs), *others])


def _dice(runs: Sequence[Run]) -> str:
    if not runs:
        return ""
    found = summarize(over_seeds(runs, "dice").tolist(), units_of(runs[0]))
    return _interval(found["mean"], found["ci95"])


def _mean_of_sets(sets: Sequence[Sequence[Run]]) -> str:
    """Return the mean over data sets, of which each is drawn for itself; empty where one is missing."""
    if not all(sets):
        return ""
    values = [over_seeds(runs, "dice") for runs in sets]
    draws = [group_means(v, units_of(runs[0]), seed=n) for n, (v, runs) in enumerate(zip(values, sets, strict=True))]
    bounds = [float(bound) for bound in np.percentile(np.mean(draws, axis=0), CONFIDENCE)]
    return _interval(float(np.mean([v.mean() for v in values])), bounds)


def _interval(mean: float | None, bounds: Sequence[float | None]) -> str:
    if mean is None:
        return "-"
    told = [f"{100 * bound:.2f}" for bound in bounds if bound is not None]
    return f"{100 * mean:.2f}" + (f" ({' to '.join(told)})" if told else "")


def _of(count: int, expected: int | None) -> str:
    return str(count) if expected in (None, count) else f"{count} of {expected}"


def _seeds(found: Mapping[str, Sequence[Run]], seeds: Sequence[int]) -> str:
    return _of(min(len(runs) for runs in found.values()), len(seeds))


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
