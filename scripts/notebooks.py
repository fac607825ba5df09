"""Make a notebook of every script in examples/ that has cells (``# %%``), or check that they are in step."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


def notebooks() -> dict[Path, str]:
    """Return the text of every notebook by its path. Notebooks have no output: what it shows depends on the machine."""
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.py"))}
    return {path.with_suffix(".ipynb"): notebook(text) for path, text in sources.items() if CELL.match(text)}


def notebook(script: str) -> str:
    """Return the notebook (nbformat 4.5) of a script in cells."""
    content = {
        "cells": [{"id": f"cell-{number}", **cell} for number, cell in enumerate(_cells(script))],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _cells(script: str) -> Iterator[dict[str, Any]]:
    """Yield the cells; ``split`` gives what stands before the first one, then mark and text of each."""
    _, *parts = CELL.split(script)
    for is_text, body in zip(parts[::2], parts[1::2], strict=True):
        lines = body.strip().splitlines(keepends=True)
        if is_text:
            source = [re.sub(r"^# ?", "", line) for line in lines]
            yield {"cell_type": "markdown", "metadata": {}, "source": source}
        else:
            yield {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}


def main() -> int:
    """Run the command line; the exit status is 1 if --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, list the notebooks that are out of step")
    check = parser.parse_args().check
    stale = [path for path, text in notebooks().items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in stale:
        if check:
            print(f"out of step: {path.name}, run 'python scripts/{Path(__file__).name}'")
        else:
            path.write_text(notebooks()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
