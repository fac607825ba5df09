"""A comparison as a page: the numbers, and pictures of the cases that differ most."""

from __future__ import annotations

import math
import shlex
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monai_vlsm.data.names import is_raster, stem_of
from monai_vlsm.errors import UserError
from monai_vlsm.handlers.drawing import MAX_WIDTH, draw_overlay
from monai_vlsm.pages import Interval, Page, Picture, histogram
from monai_vlsm.pages.markup import Markup
from monai_vlsm.reports.compare import Comparison, spread
from monai_vlsm.reports.runs import Run
from monai_vlsm.transforms import EnsureSameSized, LoadMaskd, load_image

_TOLD = ("model", "dataset", "split", "prompt_level", "backbone", "precision", "image_size")


def compare_page(comparison: Comparison, cases: int) -> Page:
    """Return the page of a comparison.

    Args:
        comparison: of two runs or more.
        cases: that differ most, to show.
    """
    metric = "dice" if "dice" in comparison.runs[0].metrics else next(iter(comparison.runs[0].metrics))
    page = Page("Runs compared", comparison.method())
    page.section("Result")
    for number, letter in enumerate(comparison.letters[1:]):
        _add_result(page, comparison, number, letter)
    page.plots(_plot(comparison, metric))
    page.section("Runs")
    for letter, run in zip(comparison.letters, comparison.runs, strict=True):
        told = {name: str(run.settings[name]) for name in _TOLD if name in run.settings}
        page.facts({letter: str(run.table), **told})
    page.section("Cases that differ most")
    _add_cases(page, comparison, metric, cases)
    page.section("How to make this page")
    tables = " ".join(shlex.quote(str(run.table)) for run in comparison.runs)
    page.command(f"python -m monai_vlsm compare {tables} --out comparison")
    return page


def _add_result(page: Page, comparison: Comparison, number: int, letter: str) -> None:
    rows = [
        [
            metric,
            *test.means,
            Interval(test.difference, *test.ci95),
            comparison.p_bootstrap[number][metric],
            comparison.p_wilcoxon[number][metric],
            test.wins,
            test.ties,
            test.losses,
            len(comparison.runs[0].rows) - test.cases,
        ]
        for metric, test in comparison.tests[number].items()
    ]
    apart = f"{letter} - A (95 % interval)"
    header = ["metric", "A", letter, apart, "p bootstrap", "p Wilcoxon", "better", "equal", "worse", "left out"]
    page.table(header, rows, f"{letter} against A; left out are cases that are undefined in one of them")


def _plot(comparison: Comparison, metric: str) -> Markup:
    first = comparison.runs[0].metrics[metric]
    apart = {
        f"{letter} - A": run.metrics[metric] - first
        for letter, run in zip(comparison.letters[1:], comparison.runs[1:], strict=True)
    }
    return histogram(apart, f"difference in {metric}", f"Histogram of the differences in {metric} from A.")


def _add_cases(page: Page, comparison: Comparison, metric: str, cases: int) -> None:
    apart = spread(comparison, metric)
    order = [int(at) for at in np.argsort(-apart, kind="stable") if apart[at] > 0][:cases]
    if not order:
        page.text(f"All runs have the same {metric} in every case.")
        return
    page.text(
        f"By {metric}; {int(np.isnan(apart).sum())} cases in which it is undefined in a run are not looked at. Green "
        "is the annotation, red the prediction. An evaluation keeps the pictures of its first cases only: where it "
        "kept none, the image is shown with the annotation alone. A larger 'overlays' keeps more."
    )
    for at in order:
        case = comparison.runs[0].cases[at]
        page.subsection(f"{case.image}: {case.prompt}")
        named = zip(comparison.letters, comparison.runs, comparison.places, strict=True)
        told = [(f"{letter}: {metric} {run.metrics[metric][at]:.3f}", run, places[at]) for letter, run, places in named]
        pictures = list(_pictures(told, at))
        if pictures:
            page.pictures(pictures)
        else:
            page.text(f"{'; '.join(words for words, _, _ in told)}. No picture: the image is not on this machine.")


def _pictures(runs: Sequence[tuple[str, Run, int]], at: int) -> Iterator[Picture]:
    """Yield the picture that each run kept; where one kept none, its annotation comes once for all of these."""
    without = []
    for words, run, place in runs:
        overlay = run.table.parent / "overlays" / f"{place:03d}_{stem_of(run.rows[at]['image'])}.png"
        if overlay.is_file():
            yield Picture(overlay, words, words)
        else:
            without.append(words)
    drawn = _annotation(runs[0][1].rows[at]["image"], runs[0][1].rows[at]["label"]) if without else None
    if drawn is not None:
        yield Picture(drawn, "The annotation", f"annotation; no prediction was kept. {'; '.join(without)}")


def _annotation(image: str, label: str) -> NDArray[np.uint8] | None:
    """Return a picture with the outline of its mask; None of volumes, and of what cannot be read here."""
    if not is_raster(image):
        return None
    try:
        item: dict[Hashable, Any] = {"image": load_image(image)}
        if label:
            item = EnsureSameSized(("image", "label"))({**item, **LoadMaskd("label")({"label": label})})
    except UserError:
        return None
    step = math.ceil(max(item["image"].shape[1:]) / MAX_WIDTH)
    upright = {name: torch.as_tensor(values).permute(2, 1, 0)[::step, ::step] for name, values in item.items()}
    picture = upright["image"].expand(-1, -1, 3).numpy()
    return draw_overlay(picture, truth=upright["label"][..., 0].numpy() if label else None)
