"""Sections of a page on runs of an evaluation: metrics, presence, and which cases to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from monai_vlsm.errors import DataError
from monai_vlsm.pages import Interval, Line, Page, histogram, risk_coverage_plot
from monai_vlsm.pages.cells import told_interval
from monai_vlsm.pages.markup import Markup
from monai_vlsm.pages.plots import UNIT
from monai_vlsm.reports.compare import units_of
from monai_vlsm.reports.runs import Run
from monai_vlsm.statistics import risk_coverage, summarize
from monai_vlsm.statistics.absence import rank_presence
from monai_vlsm.statistics.columns import RANKED
from monai_vlsm.statistics.intervals import Floats
from monai_vlsm.statistics.selection import BAD_DICE, rank_cases

NAMES = {"dice": "Dice", "iou": "IoU", "hd95": "HD95 (pixels)", "surface_dice": "surface Dice"}
"""Of metrics, for people."""

_CERTAINTIES = {
    "agreement": "agreement over paraphrases",
    "mean_probability": "mean probability of the mask",
    "presence": "presence",
}
"""Columns that could tell good from bad masks."""


def setting(run: Run, key: str) -> str:
    """Return a setting of a run as text, of paths the last part; empty where it is not told."""
    value = run.settings.get(key, "")
    return PurePosixPath(value.replace("\\", "/")).name if isinstance(value, str) else str(value)


def interval(run: Run, metric: str) -> Interval:
    """Return the mean of a metric over all cases and its interval; patients are drawn as a whole, else images."""
    told = summarize(run.metrics[metric].tolist(), units_of(run))
    return Interval(told["mean"], *told["ci95"])


def scores_of(run: Run, column: str) -> Floats | None:
    """Return what a run says of each case, NaN where it says nothing; None where it has no such column.

    Raises:
        DataError: if a value is no number.
    """
    if column not in run.rows[0]:
        return None
    values = np.full(len(run.rows), np.nan)
    for at, row in enumerate(run.rows):
        try:
            values[at] = float(row[column] or "nan")
        except ValueError as error:
            where = f"{str(run.table)!r}, row {at + 2}, column {column!r}"
            raise DataError(f"{where}: expected a number, got {row[column][:60]!r}: evaluate anew.") from error
    return values


def is_present(run: Run) -> np.ndarray:
    """Return for each row whether the image shows what the prompt names: (N,) bool."""
    return np.array([int(row["label_pixels"]) > 0 for row in run.rows])


def add_metrics(page: Page, runs: Sequence[Run]) -> None:
    """Add a section with a row for each run, and how the Dice of the first one spreads."""
    page.section("Results")
    names = list(dict.fromkeys(name for run in runs for name in run.metrics))
    patients = any(run.groups for run in runs)
    counted = ["images", "patients"] if patients else ["images"]
    header = ["run", "split", "prompts", "model", *counted, *(NAMES.get(name, name) for name in names)]
    rows = [
        [
            run.table.parent.name,
            *(setting(run, key) for key in ("split", "prompt_level", "model")),
            len({case.image for case in run.cases}),
            *([len(set(run.groups or ())) or None] if patients else []),
            *(interval(run, name) if name in run.metrics else None for name in names),
        ]
        for run in runs
    ]
    page.table(header, rows, "Means with 95 % bootstrap intervals, at the original resolution of each image")
    resampled = "patients (or sequences) as a whole" if runs[0].groups else "images, as the runs name no patients"
    page.text(
        f"The intervals resample {resampled}. Where annotation and mask are both empty, overlaps count as 1; where one "
        "is, as 0; distances are undefined then and left out. p1 is the class name alone; prompts from p2 on say "
        "things that were read off the annotation, so that they make no fair comparison with a model without text."
    )
    if "dice" in runs[0].metrics:
        _add_spread(page, runs[0])


def add_presence(page: Page, run: Run, command: str) -> None:
    """Add a section on how well a run tells images that show the target from those that do not.

    Args:
        page: to add to.
        run: whose column ``presence`` is shown.
        command: that evaluates absent targets, too.
    """
    page.section("Is it there at all?")
    scores, present = scores_of(run, "presence"), is_present(run)
    if scores is None:
        page.missing("This run has no presence score: it was made by an older version.", command)
        return
    known = np.isfinite(scores)
    groups = {"target shown": scores[known & present], "target not shown": scores[known & ~present]}
    counted = " and ".join(f"{len(values)} cases ({name})" for name, values in groups.items())
    axis = "presence, from 0 (not there) to 1 (there)"
    plot = histogram(groups, axis, f"Histogram of the presence of {counted}.", UNIT)
    missing = [name for name, values in groups.items() if not len(values)]
    if missing:
        page.plots(plot)
        page.missing(
            f"This run has no case of the kind {missing[0]!r}, so whether the two are told apart is open.", command
        )
        return
    units = [unit for unit, is_known in zip(units_of(run), known, strict=True) if is_known]
    ranked = rank_presence(scores[known].tolist(), present[known].tolist(), np.zeros(known.sum()).tolist(), units)
    words = {"auroc": "AUROC", "false_positive_rate": "false positives where 95 % of the present are kept"}
    told = {name: Interval(ranked[key], *ranked[f"{key}_ci95"]) for key, name in words.items()}
    with page.beside():
        page.plots(plot)
        page.quantities({**told, "masks over 0.1 % of an image that does not show the target": _drawn_in_vain(run)})


def add_ranking(page: Page, run: Run, command: str) -> None:
    """Add a section on which score finds the cases that a person should look at.

    Args:
        page: to add to.
        run: with Dice and scores.
        command: that makes such a run.
    """
    page.section("Which cases to look at")
    annotated = np.array([row["label"] != "" for row in run.rows])
    scores = {name: values[annotated] for name in RANKED if (values := scores_of(run, name)) is not None}
    if not scores or "dice" not in run.metrics:
        page.missing("This run has no score per case: it was made by an older version.", command)
        return
    dice, units = run.metrics["dice"][annotated], np.array(units_of(run))[annotated].tolist()
    ranked = rank_cases(dice.tolist(), {name: values.tolist() for name, values in scores.items()}, units)
    if not ranked["cases"]:
        page.missing("No case of this run has a Dice and all of its scores.", command)
        return
    known = np.isfinite([dice, *scores.values()]).all(axis=0)
    rows = [
        [_CERTAINTIES[name], Interval(told["area"], *told["area_ci95"]), Interval(told["auroc"], *told["auroc_ci95"])]
        for name, told in ranked["scores"].items()
    ]
    counted = f"{ranked['cases']} cases, {ranked['bad']} with a Dice below {BAD_DICE}; {ranked['left_out']} left out"
    with page.beside():
        page.plots(_curves(1 - dice[known], {_CERTAINTIES[name]: values[known] for name, values in scores.items()}))
        page.table(
            ["score", "area under the curve", f"AUROC of finding Dice below {BAD_DICE}"],
            [*rows, ["best possible", ranked["least_area"], None], ["no ranking", ranked["area_at_random"], 0.5]],
            counted,
        )
    page.text(
        "A score is good if the mean risk is low while few cases are kept, and rises only at the end: then the cases "
        "that it puts last are the ones to look at."
    )
    _add_flags(page, run, annotated)


def _curves(risk: Floats, scores: Mapping[str, Floats]) -> Markup:
    named = {**scores, "best possible": -risk}
    curves = {name: risk_coverage(risk.tolist(), score.tolist()) for name, score in named.items()}
    areas = ", ".join(f"{name} {area:.3f}" for name, (*_, area) in curves.items())
    lines = [Line(name, coverage, mean_risk) for name, (coverage, mean_risk, _) in curves.items()]
    return risk_coverage_plot(lines, f"Mean risk over the share of cases kept; areas: {areas}.")


def _drawn_in_vain(run: Run) -> Interval:
    """Return what the summary says, which knows the sizes of the images; unknown where it says nothing of use."""
    told = run.settings.get("presence")
    return told_interval(told if isinstance(told, dict) else {}, "drawn_in_vain", "drawn_in_vain_ci95")


def _add_spread(page: Page, run: Run) -> None:
    dice, present = run.metrics["dice"], is_present(run)
    groups = {"target shown": dice[present], "not shown": dice[~present]}
    shown = {name: values for name, values in groups.items() if len(values)}
    title = f"Dice per case of {run.table.parent.name}"
    page.plots(histogram(shown, "Dice", f"{title}: median {float(np.nanmedian(dice)):.3f}.", UNIT, caption=title))


def _add_flags(page: Page, run: Run, annotated: np.ndarray) -> None:
    if "look" not in run.rows[0]:
        return
    dice, flags = run.metrics["dice"], np.array([row["look"].lower() in ("1", "true") for row in run.rows])
    parts = {"look": flags & annotated, "fine": ~flags & annotated}
    rows = [[name, int(part.sum()), _mean(dice[part])] for name, part in parts.items()]
    page.table(["flag", "cases", "mean Dice"], rows, "Cases that the run flags for a look, and the others")


def _mean(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None
