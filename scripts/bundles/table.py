"""The text of bundles/README.md: what bundles there are, and what the paper reports on their data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from monai_vlsm.data.sets import BUNDLES, DATASETS, DatasetFacts

FOLDER = Path(__file__).parent
METHODS = {"DA": "dense adapters", "SA": "shallow adapters", "CLIPSeg": "CLIPSeg", "CRIS": "CRIS", "SAN": "SAN"}


def bundles_readme() -> str:
    """Return the text of the page."""
    bundles = [
        (f"[{d.name}]({d.name})", f"{d.title}, {d.modality}", d.size, _published(d), d.raw) for d in BUNDLES.values()
    ]
    targets = [
        (d.name, f"{d.title}, {d.modality}", d.size, d.evaluate_with, _published(d), d.raw)
        for d in DATASETS.values()
        if d.evaluate_with
    ]
    tables = {
        "bundles": _table(("bundle", "data", "size", "published prompts", "files"), bundles),
        "results": _table(("bundle", *METHODS.values(), "ours"), _results()),
        "targets": _table(("set", "data", "size", "evaluate with", "published prompts", "files"), targets),
    }
    text = (FOLDER / "readme.md").read_text(encoding="utf-8")
    for name, table in tables.items():
        text = text.replace(f"{{{{{name}}}}}", table)
    return text


def _published(data_set: DatasetFacts) -> str:
    published = [name for name in ("medvlsm", "medclipseg") if getattr(data_set, name)]
    return ", ".join([*published, *filter(None, [data_set.texts])]) or "none"


def _results() -> list[tuple[str, ...]]:
    paper = json.loads((FOLDER / "paper_results.json").read_text(encoding="utf-8"))
    return [
        (name, *(" / ".join(f"{value:.2f}" for value in results.get(method, ())) for method in (*METHODS, "ours")))
        for name, results in paper.items()
    ]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))
