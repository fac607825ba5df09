"""What an evaluation leaves behind: a row per image, and a summary that says how far it can be trusted."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from monai_vlsm.data.tables import write_table
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.statistics import rank_cases, rank_presence, summarize
from monai_vlsm.statistics.columns import CASE, DISTANCES, RANKED, SCORES
from monai_vlsm.statistics.intervals import RESAMPLES
from monai_vlsm.statistics.selection import BAD_DICE

_logger = logging.getLogger("monai_vlsm")

RULES = {
    "resolution": "metrics are computed at the original resolution of each image, distances are in pixels",
    "empty masks": "both empty: overlap metrics are 1; one empty: 0; distances are undefined, left out and counted",
    "interval": f"95 % percentile bootstrap of the mean, {RESAMPLES} resamples of whole groups (patients or "
    "sequences); an image whose group is not known is one of its own; none from a single group",
    "selection": "masks in the order of each score: area under the mean of 1 - Dice over the share of masks kept, and "
    "AUROC of finding those with a Dice below 0.5; less_last: the difference from the last score",
}


class EvaluationReport:
    """Write ``per_image.csv`` and ``summary.json``, and log the summary as a table.

    MONAI's MetricsSaver writes a file per metric and has neither interval nor prompt, so it is not used. Rows of cases
    that were asked for an absent target (no file of a label) count for the presence only, not for the metrics.

    Args:
        output_dir: folder of both files.
        settings: what the numbers depend on (data set, split, prompt level, checkpoint ...); goes into the summary.
        distances: metrics that are undefined where a mask is empty; all others are overlaps within [0, 1].
    """

    def __init__(
        self, output_dir: str | Path, settings: Mapping[str, Any], distances: Sequence[str] = DISTANCES
    ) -> None:
        self.output_dir = Path(output_dir)
        self.settings = dict(settings)
        self.distances = tuple(distances)
        self._rows: list[dict[str, Any]] = []
        self._covered: list[float] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator with metrics that keep details of every image."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._clear)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _clear(self, _: Engine) -> None:
        self._rows.clear()
        self._covered.clear()

    def _collect(self, engine: Engine) -> None:
        state: Any = engine.state
        for item, output in zip(state.batch, state.output, strict=True):
            self._rows.append(
                {
                    "image": str(item["image"].meta["filename_or_obj"]),
                    "label": str(item["label"].meta.get("filename_or_obj", "")),
                    "group": item.get("group", ""),
                    "prompt": item["prompt"],
                    "label_pixels": int(output["label"].count_nonzero()),
                    "pred_pixels": int(output["pred"].count_nonzero()),
                    **{name: _plain(output[name]) for name in SCORES if name in output},
                }
            )
            self._covered.append(self._rows[-1]["pred_pixels"] / output["pred"].numel())

    def _write(self, engine: Engine) -> None:
        details = engine.state.metric_details  # type: ignore[attr-defined]
        for name, values in details.items():
            for row, value in zip(self._rows, values.flatten().tolist(), strict=True):
                row[name] = self._apply_rules(name, value, row)
        published = [row for row in self._rows if row["label"]]
        units = _units(published)
        summary = {
            **self.settings,
            "images": len(published),
            "groups": len(set(units)),
            "without_group": sum(not row["group"] for row in published),
            "empty_labels": sum(row["label_pixels"] == 0 for row in published),
            "metrics": {name: summarize([row[name] for row in published], units) for name in details},
            **_selection(published, units),
            **self._presence(),
            "rules": RULES,
        }
        columns = [*CASE, *(name for name in SCORES if any(name in row for row in self._rows)), *details]
        with replace_whole(self.output_dir / "per_image.csv") as part:
            write_table(part, columns, self._rows)
        with replace_whole(self.output_dir / "summary.json") as part:
            part.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        _logger.info("\n" + format_summary(summary) + f"\nwritten to {self.output_dir.absolute()}")

    def _presence(self) -> dict[str, Any]:
        """Return how well absent targets are told from present ones, where the cases have a presence."""
        if not all("presence" in row for row in self._rows):
            return {}
        presence, present = zip(*((row["presence"], row["label_pixels"] > 0) for row in self._rows), strict=True)
        return {"presence": rank_presence(presence, present, self._covered, _units(self._rows))}

    def _apply_rules(self, name: str, value: float, row: Mapping[str, Any]) -> float:
        empty = (row["label_pixels"] == 0) + (row["pred_pixels"] == 0)
        if empty:
            return math.nan if name in self.distances else float(empty == 2)
        return value if math.isfinite(value) else math.nan


def _units(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return what is resampled as a whole: the group of each row, else its image."""
    return [(row["group"], "" if row["group"] else row["image"]) for row in rows]


def _selection(rows: Sequence[Mapping[str, Any]], units: Sequence[Hashable]) -> dict[str, Any]:
    """Return how well the scores that cases have find those with a bad mask, if they have any."""
    ranked = {name: [row.get(name, math.nan) for row in rows] for name in RANKED}
    there = {name: values for name, values in ranked.items() if not all(map(math.isnan, values))}
    dice = [row.get("dice", math.nan) for row in rows]
    if not there:
        return {}
    flagged = [value for row, value in zip(rows, dice, strict=True) if row.get("look")]
    look = {"cases": len(flagged), "bad": sum(value < BAD_DICE for value in flagged)}
    return {"selection": {**rank_cases(dice, there, units), "look": look}}


def _plain(value: Any) -> Any:
    """Return a tensor of one number as that number, all else as it is."""
    return value.item() if hasattr(value, "item") else value


def format_summary(summary: Mapping[str, Any]) -> str:
    """Return the metrics of a summary as a table in plain text, and below it what else tells how far to trust them."""
    lines = [f"{'metric':<14}{'mean':>9}{'std':>9}{'median':>9}   {'95 % interval':<19}{'images':>7}{'undefined':>10}"]
    for name, metric in summary["metrics"].items():
        low, high = (_number(bound) for bound in metric["ci95"])
        cells = "".join(f"{_number(metric[column]):>9}" for column in ("mean", "std", "median"))
        lines.append(f"{name:<14}{cells}   {low + ' to ' + high:<19}{metric['images']:>7}{metric['undefined']:>10}")
    if "selection" in summary:
        found = summary["selection"]
        told = f"{found['look']['bad']} of the {found['bad']} with a Dice below {BAD_DICE}"
        lines.append(f"to look at: {found['look']['cases']} of {summary['images']} cases, among them {told}")
    if "drawn_in_vain" in summary.get("presence", {}):
        found = summary["presence"]
        lines.append(
            f"asked for what is not there: {found['absent']} times, answered with a mask: {found['drawn_in_vain']:.0%}"
        )
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
