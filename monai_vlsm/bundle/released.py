"""What the bundles of every released version have at each key: their templates, and the running version's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from monai_vlsm.bundle.fill import TEMPLATE
from monai_vlsm.bundle.values import TEXT, rule_of
from monai_vlsm.rules import Rule

RELEASED = Path(__file__).parent / "released"
"""``VERSION.json`` holds the template of a release; ``scripts/bundles/release.py`` writes it."""
LOGGING = TEMPLATE / "configs" / "logging.conf"
OWN_BACKBONE = "$os.path.join(@bundle_root, 'models', 'backbone')"
"""The key ``backbone`` of a bundle that holds its backbone; the one expression that no template has."""

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value."""


@dataclass(frozen=True)
class Released:
    """What releases have in one configuration.

    Args:
        template: the running version's own, with ``{{NAME}}`` where a bundle has a value.
        at: what any release has at a place, as :func:`kind_and_value`.
        everywhere: places that every release has.
        rules: what a top-level key may hold, where a value may stand.
    """

    template: dict[str, Any]
    at: dict[Place, set[tuple[type, Any]]]
    everywhere: set[Place]
    rules: dict[str, Rule]

    def has(self, place: Place, value: Any) -> bool:
        """Tell whether a release has ``value`` at ``place``."""
        return kind_and_value(value) in self.at.get(place, ())


@cache
def released(name: str) -> Released:
    """Return what releases have in a configuration, such as ``inference.json``."""
    template = json.loads((TEMPLATE / "configs" / name).read_text(encoding="utf-8"))
    templates = [template, *(release[name] for release in releases().values() if name in release)]
    at: dict[Place, set[tuple[type, Any]]] = {}
    for place, value in (pair for config in templates for pair in leaves(config)):
        at.setdefault(place, set()).add(kind_and_value(value))
    if ("backbone",) in at:
        at["backbone",].add(kind_and_value(OWN_BACKBONE))
    everywhere = set.intersection(*({place for place, _ in leaves(config)} for config in templates))
    pairs = [(key, value) for config in templates for key, value in config.items()]
    rules = {key: rule for key, value in pairs if (rule := rule_of(key, value if is_plain(value) else None))}
    return Released(template, at, everywhere, rules)


@cache
def releases() -> dict[str, dict[str, Any]]:
    """Return configurations by version and file name: JSON as it is parsed, and ``logging.conf`` as text."""
    paths = sorted(RELEASED.glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def logging_texts() -> list[bytes]:
    """Return the text of every released ``logging.conf``."""
    return [LOGGING.read_bytes(), *(release["logging.conf"].encode() for release in releases().values())]


def leaves(config: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield what a configuration consists of: place and value, without descriptions (``_desc_``)."""
    pairs = list(config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ())
    for name, value in pairs:
        if name != "_desc_" or not (is_plain(value) and TEXT.accepts(value)):
            yield from leaves(value, (*place, name))
    if not pairs:
        # What is empty stands for itself by its kind, which unlike itself can be put into a set.
        yield place, type(config) if isinstance(config, dict | list) else config


def is_blank(value: Any) -> bool:
    """Tell whether the template leaves a place for a value of the bundle, and has none of its own."""
    return isinstance(value, str) and "{{" in value


def kind_and_value(value: Any) -> tuple[type, Any]:
    """Return what tells values apart as JSON does: ``true`` is not 1, but 1.0 is."""
    return (int, int(value)) if isinstance(value, float) and value.is_integer() else (type(value), value)


def is_plain(value: Any) -> bool:
    """Tell whether MONAI takes a value as it is: it is no dictionary, expression, macro, reference or list of such."""
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    return not isinstance(value, dict) and not (isinstance(value, str) and value.startswith(("$", "%", "@")))
