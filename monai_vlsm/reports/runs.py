"""Runs of an evaluation, ``per_image.csv`` and ``summary.json``, read without trust in who wrote them."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from monai_vlsm.bundle.files import parse_json, read_file
from monai_vlsm.data.tables import as_written
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.statistics.columns import CASE, SCORES
from monai_vlsm.statistics.intervals import Floats

TABLE = "per_image.csv"
SUMMARY = "summary.json"

MOST_BYTES = 2**28
"""Of a table; a row has about 300."""

_MOST_COLUMNS = 64
_LARGEST_NUMBER = 1e9
"""Pixels or any score; sums of numbers near the end of floats would be infinite."""

_METRIC = re.compile(r"[A-Za-z][\w .%()-]{0,39}")
_CLOSE = 1e-6


class Case(NamedTuple):
    """What was segmented, by names that do not depend on where the data set lies."""

    image: str
    label: str
    prompt: str


@dataclass(frozen=True)
class Run:
    """An evaluation as it was written.

    Args:
        table: the file that it was read from.
        settings: of ``summary.json``: what the numbers depend on; empty where there is none.
        rows: of the table, all its columns as texts.
        cases: what each row is about, in the order of the table, each once.
        metrics: values of every row; NaN where undefined, and where the row has no annotation of its own: an evaluation
            with ``absent`` asks for targets that an image does not show, and keeps the answers out of its means.
    """

    table: Path
    settings: Mapping[str, Any]
    rows: Sequence[Mapping[str, str]]
    cases: Sequence[Case]
    metrics: Mapping[str, Floats]

    @property
    def groups(self) -> list[str] | None:
        """Patient or sequence of each row; None where the table names none."""
        groups = [row.get("group", "") for row in self.rows]
        return groups if any(groups) else None


def read_run(path: str | Path) -> Run:
    """Read a run and check that it is whole and of one piece.

    Args:
        path: folder of an evaluation, or its ``per_image.csv`` (another name, too: then there is no summary).

    Raises:
        MissingFileError: if there is no table, or no summary in the folder.
        DataError: if a file cannot be read, a column is missing or half filled, a value is none, a case is there twice,
            or table and summary are of two runs.
    """
    path = Path(path).expanduser()
    table = path / TABLE if path.is_dir() else path
    rows = _read_rows(table)
    names = [name for name in rows[0] if name not in CASE + SCORES]
    if not names:
        raise DataError(f"expected a metric such as 'dice' among the columns of {str(table)!r}, got none.")
    values = {name: np.array([_number(row, name, table, at) for at, row in enumerate(rows, 2)]) for name in names}
    annotated = np.array([row["label"] != "" for row in rows])
    metrics = {name: np.where(annotated, numbers, np.nan) for name, numbers in values.items()}
    for at, row in enumerate(rows, 2):
        for name in ("label_pixels", "pred_pixels"):
            _pixels(row[name], f"{str(table)!r}, row {at}, column {name!r}")
    run = Run(table, _read_settings(path, table), rows, _cases(rows, table), metrics)
    _require_whole_groups(run)
    _require_same_run(run)
    return run


def _read_rows(table: Path) -> list[dict[str, str]]:
    try:
        content = read_file(table, MOST_BYTES)
    except MissingFileError as error:
        raise MissingFileError(
            f"there is no file {str(table.absolute())!r}: name the folder of a finished evaluation, which holds "
            f"{TABLE} and {SUMMARY}, or such a table."
        ) from error
    try:
        rows = list(_rows(content.decode("utf-8-sig"), table))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected a table in UTF-8 with commas in {str(table)!r}, but {error}.") from error
    if not rows:
        raise DataError(f"expected a row for each case in {str(table)!r}, got none: was the split empty?")
    return rows


def _rows(text: str, table: Path) -> Iterator[dict[str, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    missing = [name for name in CASE if name not in header and name != "group"]
    if missing:
        raise DataError(
            f"expected the columns {', '.join(CASE)} in {str(table)!r}, {', '.join(map(repr, missing))} missing: "
            "is it the table of an evaluation?"
        )
    wrong = [name for name in header if header.count(name) > 1 or not _METRIC.fullmatch(name)]
    if wrong or len(header) > _MOST_COLUMNS:
        what = f"the column {wrong[0][:60]!r}" if wrong else f"{len(header)} columns"
        raise DataError(f"expected up to {_MOST_COLUMNS} columns of a plain name each in {str(table)!r}, got {what}.")
    for at, values in enumerate(reader, 2):
        if len(values) != len(header):
            raise DataError(f"{str(table)!r}, row {at}: expected {len(header)} values, got {len(values)}: is it whole?")
        yield dict(zip(header, map(as_written, values), strict=True))


def _number(row: Mapping[str, str], name: str, table: Path, at: int) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.inf
    if abs(value) > _LARGEST_NUMBER:
        raise DataError(
            f"{str(table)!r}, row {at}, column {name!r}: expected a number up to {_LARGEST_NUMBER:g}, or nan where "
            f"it is undefined, got {row[name][:60]!r}."
        )
    return value


def _pixels(text: str, where: str) -> None:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise DataError(f"{where}: expected a number of pixels, got {text[:60]!r}.")


def _cases(rows: Sequence[Mapping[str, str]], table: Path) -> list[Case]:
    """Name images and masks below the folder that they have in common, wherever that lies."""
    named = {row[key] for row in rows for key in ("image", "label") if row[key]}
    if not all(row["image"] for row in rows):
        raise DataError(f"expected the file of an image in each row of {str(table)!r}, got a row without.")
    try:
        below = os.path.commonpath([os.path.dirname(name) for name in named])
    except ValueError:  # some begin at a root and others do not
        below = ""
    short = {"": "", **{name: Path(os.path.relpath(name, below or ".")).as_posix() for name in named}}
    cases = [Case(short[row["image"]], short[row["label"]], row["prompt"]) for row in rows]
    if len(set(cases)) < len(cases):
        twice = Counter(cases).most_common(1)[0][0]
        raise DataError(
            f"expected each case once in {str(table)!r}, but {twice.image!r} is there twice with the mask "
            f"{twice.label!r} and the prompt {twice.prompt[:60]!r}: evaluate anew."
        )
    return cases


def _read_settings(path: Path, table: Path) -> dict[str, Any]:
    summary = table.with_name(SUMMARY)
    if not path.is_dir() and (table.name != TABLE or not summary.exists()):
        return {}
    try:
        return parse_json(read_file(summary), summary)
    except MissingFileError as error:
        raise MissingFileError(
            f"there is no file {str(summary.absolute())!r}: the evaluation did not end, or was only copied in part. "
            f"Evaluate anew, or name {TABLE} itself to do without it."
        ) from error


def _require_whole_groups(run: Run) -> None:
    without = sum(not group for group in run.groups or ())
    if without:
        raise DataError(
            f"expected a group in each row of {str(run.table)!r} or in none, but {without} of {len(run.rows)} have "
            "none: name the patient or sequence of every entry in the datalist, and evaluate anew."
        )


def _require_same_run(run: Run) -> None:
    """Compare the numbers of images and the means of the summary, without absent targets, with those of the table."""
    if not run.settings:
        return
    metrics = run.settings.get("metrics")
    means = {name: _mean_of(value) for name, value in metrics.items()} if isinstance(metrics, dict) else {}
    expected = {name: float(np.nanmean(v)) if np.isfinite(v).any() else None for name, v in run.metrics.items()}
    same = means.keys() == expected.keys() and all(_is_close(means[name], expected[name]) for name in means)
    if not same or run.settings.get("images") != sum(row["label"] != "" for row in run.rows):
        raise DataError(
            f"{str(run.table)!r} and the {SUMMARY} beside it are of two runs: their metrics, means or numbers of "
            "images differ. Evaluate anew, or put the right one there."
        )


def _mean_of(metric: Any) -> float | None:
    mean = metric.get("mean") if isinstance(metric, dict) else None
    return float(mean) if isinstance(mean, float | int) and abs(mean) <= _LARGEST_NUMBER else None


def _is_close(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=_CLOSE, abs_tol=_CLOSE)
