"""Tables as CSV files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
"""What a spreadsheet takes for the beginning of a formula, also behind apostrophes of ours."""


def harmless(text: str) -> str:
    """Return a text for a cell of a table: behind an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def as_written(cell: str) -> str:
    """Return the text that :func:`harmless` made a cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows by name of their columns, with a header; what a row lacks stays empty, and texts are :func:`harmless`.

    Halves of characters, which names of files can hold, are written as Python writes them.

    Raises:
        ValueError: if a row has a column that is not among ``columns``.
    """
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, fieldnames=columns)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: harmless(cell) if isinstance(cell, str) else cell for name, cell in row.items()})
