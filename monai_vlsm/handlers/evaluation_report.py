"""What an evaluation leaves behind: a row per image, and a summary that says how far it can be trusted."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from monai_vlsm.data.whole import replace_whole

_logger = logging.getLogger("monai_vlsm")

RULES = {
    "resolution": "metrics are computed at the original resolution of each image, distances are in pixels",
    "empty masks": "both empty: overlap metrics are 1; one empty: 0; distances are undefined, left out and counted",
    "interval": "95 % percentile bootstrap of the mean over images, 10000 resamples",
}


class EvaluationReport:
    """Write ``per_image.csv`` and ``summary.json``, and log the summary as a table.

    MONAI's MetricsSaver writes a file per metric and has neither interval nor prompt, so it is not used.

    Args:
        output_dir: folder of both files.
        settings: what the numbers depend on (data set, split, prompt level, checkpoint ...); goes into the summary.
        distances: metrics that are undefined where a mask is empty; all others are overlaps within [0, 1].
    """

    def __init__(
        self, output_dir: str | Path, settings: Mapping[str, Any], distances: Sequence[str] = ("hd95",)
    ) -> None:
        self.output_dir = Path(output_dir)
        self.settings = dict(settings)
        self.distances = tuple(distances)
        self._rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator with metrics that keep details of every image."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda _: self._rows.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _collect(self, engine: Engine) -> None:
        state: Any = engine.state
        for item, output in zip(state.batch, state.output, strict=True):
            self._rows.append(
                {
                    "image": str(item["image"].meta["filename_or_obj"]),
                    "label": str(item["label"].meta["filename_or_obj"]),
                    "prompt": item["prompt"],
                    "label_pixels": int(output["label"].count_nonzero()),
                    "pred_pixels": int(output["pred"].count_nonzero()),
                }
            )

    def _write(self, engine: Engine) -> None:
        details = engine.state.metric_details  # type: ignore[attr-defined]
        for name, values in details.items():
            for row, value in zip(self._rows, values.flatten().tolist(), strict=True):
                row[name] = self._apply_rules(name, value, row)
        summary = {
            **self.settings,
            "images": len(self._rows),
            "empty_labels": sum(row["label_pixels"] == 0 for row in self._rows),
            "metrics": {name: summarize([row[name] for row in self._rows]) for name in details},
            "rules": RULES,
        }
        with (
            replace_whole(self.output_dir / "per_image.csv") as part,
            part.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(self._rows[0]))
            writer.writeheader()
            writer.writerows(self._rows)
        with replace_whole(self.output_dir / "summary.json") as part:
            part.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        _logger.info("\n" + format_summary(summary) + f"\nwritten to {self.output_dir.absolute()}")

    def _apply_rules(self, name: str, value: float, row: Mapping[str, Any]) -> float:
        empty = (row["label_pixels"] == 0) + (row["pred_pixels"] == 0)
        if empty:
            return math.nan if name in self.distances else float(empty == 2)
        return value if math.isfinite(value) else math.nan


def summarize(values: Sequence[float], resamples: int = 10_000, seed: int = 0) -> dict[str, Any]:
    """Return mean, standard deviation, median, 95 % bootstrap interval of the mean, and how many values count.

    Undefined values (NaN) are left out and counted; where none is defined, the numbers are None.
    """
    numbers = np.asarray(values, dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    result: dict[str, Any] = {"images": len(numbers), "undefined": len(values) - len(numbers)}
    if not len(numbers):
        return {"mean": None, "std": None, "median": None, "ci95": [None, None], **result}
    draws = np.random.default_rng(seed).choice(numbers, size=(resamples, len(numbers))).mean(axis=1)
    return {
        "mean": float(numbers.mean()),
        "std": float(numbers.std(ddof=1)) if len(numbers) > 1 else 0.0,
        "median": float(np.median(numbers)),
        "ci95": [float(bound) for bound in np.percentile(draws, [2.5, 97.5])],
        **result,
    }


def format_summary(summary: Mapping[str, Any]) -> str:
    """Return the metrics of a summary as a table in plain text."""
    lines = [f"{'metric':<14}{'mean':>9}{'std':>9}{'median':>9}   {'95 % interval':<19}{'images':>7}{'undefined':>10}"]
    for name, metric in summary["metrics"].items():
        low, high = (_number(bound) for bound in metric["ci95"])
        cells = "".join(f"{_number(metric[column]):>9}" for column in ("mean", "std", "median"))
        lines.append(f"{name:<14}{cells}   {low + ' to ' + high:<19}{metric['images']:>7}{metric['undefined']:>10}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
