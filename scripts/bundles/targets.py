"""The text of docs/targets.md: all code that bundles run without being trusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monai_vlsm.bundle.released import OWN_BACKBONE, leaves, released, releases
from monai_vlsm.bundle.trust import CONFIGS

FOLDER = Path(__file__).parent
NOW = "now"


def targets_page() -> str:
    """Return the text of the page."""
    targets: dict[str, set[tuple[str, str]]] = {}
    expressions: dict[str, set[tuple[str, str]]] = {OWN_BACKBONE: {("inference", NOW), ("train", NOW)}}
    for version, config, name, value in _code():
        (targets if name == "_target_" else expressions).setdefault(value, set()).add((config, version))
    text = (FOLDER / "targets.md").read_text(encoding="utf-8")
    return text.replace("{{targets}}", _table(targets)).replace("{{expressions}}", _table(expressions))


def _code() -> Iterator[tuple[str, str, str, str]]:
    """Yield version, configuration, last key and text of each ``_target_`` and each expression."""
    for config in CONFIGS:
        file = f"{config}.json"
        older = {version: release[file] for version, release in releases().items() if file in release}
        versions = {NOW: released(file).template, **older}
        for version, template in versions.items():
            for place, value in leaves(template):
                if isinstance(value, str) and (place[-1] == "_target_" or value.startswith("$")):
                    yield version, config, str(place[-1]), value


def _table(rows: dict[str, set[tuple[str, str]]]) -> str:
    lines = ["| code | configurations | versions |", "| --- | --- | --- |"]
    for value in sorted(rows, key=str.lower):
        configs = sorted({config for config, _ in rows[value]}, key=CONFIGS.index)
        versions = sorted({version for _, version in rows[value]})
        code = value.removeprefix("$").replace("|", "\\|")
        lines.append(f"| `{code}` | {', '.join(configs)} | {', '.join(versions)} |")
    return "\n".join(lines)
