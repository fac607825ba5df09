"""Sheets (xlsx) that come with images: rows by the titles of their columns, without trusting the file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from monai_vlsm.data.sets.raw import optional_module
from monai_vlsm.errors import DataError

_MOST_BYTES = 1 << 27
"""Of an unpacked file; the largest of the published ones has 6 MB."""
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 256
"""Rows of the program that makes such files, and more columns than any sheet of ours has; a row may name any place."""


def read_sheet(path: Path, *columns: str) -> list[dict[str, str]]:
    """Return the rows of the first sheet that has these columns, as text by title; no rows of an empty file.

    Blanks are single ones, an empty cell is an empty text, and columns without a title are left out.

    Raises:
        DataError: if the file cannot be read, is too large, or has no such sheet.
    """
    try:
        sheets = _sheets(path)
    except DataError:
        raise
    except Exception as error:  # its readers raise whatever a damaged file leads to
        raise DataError(f"{str(path)!r} cannot be read as a sheet (xlsx): {error}. Fetch it again.") from error
    for titles, *rows in sheets:
        if set(columns) <= set(titles):
            return [{title: text for title, text in zip(titles, row, strict=False) if title} for row in rows]
    if sheets:
        found = ", ".join(filter(None, sheets[0][0]))
        raise DataError(f"{str(path)!r} has no sheet with the columns {', '.join(columns)}, but with {found}.")
    return []


def _sheets(path: Path) -> list[list[list[str]]]:
    """Return the sheets that hold anything, as rows of texts; rows that hold nothing are left out."""
    with zipfile.ZipFile(path) as file:
        if sum(info.file_size for info in file.infolist()) > _MOST_BYTES:
            raise DataError(f"{str(path)!r} unpacks to more than {_MOST_BYTES:,} bytes, which no sheet of ours does.")
    workbook = optional_module("openpyxl").load_workbook(path, read_only=True, data_only=True)
    try:
        sheets = [
            _rows(sheet.iter_rows(max_row=_MOST_ROWS, max_col=_MOST_COLUMNS, values_only=True))
            for sheet in workbook.worksheets
        ]
    finally:
        workbook.close()
    return [rows for rows in sheets if rows]


def _rows(rows: Iterable[tuple[Any, ...]]) -> list[list[str]]:
    texts = (["" if value is None else " ".join(str(value).split()) for value in row] for row in rows)
    return [row for row in texts if any(row)]
