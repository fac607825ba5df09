"""What a calibration file may hold: every key, with type and range of its value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from monai_vlsm.calibration.temperature import HIGHEST, LOWEST
from monai_vlsm.rules import Rule, number, shortened

FORMAT = 1

Schema: TypeAlias = Mapping[str, "Rule | Schema"]


def _is_interval(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return value == [None, None] or (all(map(_FINITE.accepts, value)) and value[0] <= value[1])


def _is_curve(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 1000 and all(v is None or _FINITE.accepts(v) for v in value)


_FINITE = number(-1e12, 1e12)
_SHARE = number(0, 1)
_COUNT = Rule("a whole number", lambda value: type(value) is int and 0 <= value <= 10**12)
_TEXT = Rule("text of at most 1,000 characters", lambda value: isinstance(value, str) and len(value) <= 1000)
_HASH = Rule(
    "64 hexadecimal digits",
    lambda value: isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef"),
)
_INTERVAL = Rule("two numbers, the lower one first, or two nulls", _is_interval)
_CURVE = Rule("a list of numbers and nulls", _is_curve)
_VERSIONS = Rule(
    "texts by name",
    lambda value: isinstance(value, dict) and len(value) <= 100 and all(map(_TEXT.accepts, value.values())),
)


def _all(rule: Rule | Schema, *names: str) -> dict[str, Rule | Schema]:
    return dict.fromkeys(names, rule)


_CURVES = _all(_CURVE, "predicted", "observed", "pixels")
_PARTS: dict[str, Schema] = {
    "temperature": {
        "value": number(LOWEST, HIGHEST),
        **_all(_SHARE, "ece_before", "ece_after"),
        "ci95": _all(_INTERVAL, "value", "ece_before", "ece_after"),
        "reliability": _all(_CURVES, "before", "after"),
    },
    "presence": {
        "a": number(1e-12, 1e12),
        "b": _FINITE,
        **_all(_SHARE, "threshold", "sensitivity", "auroc", "false_positive_rate"),
        **_all(_COUNT, "present", "absent"),
        "ci95": _all(_INTERVAL, "a", "b", "threshold", "auroc", "false_positive_rate"),
    },
    "threshold": {
        **_all(_SHARE, "best_dice", "dice", "dice_at_half"),
        "ci95": _all(_INTERVAL, "best_dice", "dice", "dice_at_half"),
    },
    "risk_control": {
        **_all(_SHARE, "alpha", "threshold", "missed", "dice"),
        "n": _COUNT,
        "ci95": _all(_INTERVAL, "missed", "dice"),
    },
}
"""Each may be ``{"missing": reason}`` instead."""
_MISSING = {"missing": _TEXT}
_DATA = {
    **_all(_TEXT, "dataset", "split", "prompt_level"),
    **_all(_COUNT, "entries", "absent_entries", "images"),
    "groups": Rule("a whole number or null", lambda value: value is None or _COUNT.accepts(value)),
    "sha256": _HASH,
}


def faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Say what in a calibration is not as it must be."""
    if document.get("format") != FORMAT or type(document["format"]) is not int:
        yield f"its 'format' is {shortened(document.get('format'))}, not {FORMAT}"
        return
    parts = {name: _MISSING if "missing" in _keys(document.get(name)) else part for name, part in _PARTS.items()}
    head = {"format": _COUNT, "checkpoint_sha256": _HASH, "image_size": _COUNT, "date": _TEXT, "versions": _VERSIONS}
    yield from _faults(document, {**head, "data": _DATA, **parts}, "")


def _keys(value: Any) -> Any:
    return value.keys() if isinstance(value, dict) else ()


def _faults(value: Any, schema: Schema, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place[:-1]!r} is {shortened(value)}, not values by name"
        return
    for name in sorted(schema.keys() ^ value.keys()):
        yield f"{place + name!r:.200} is {'missing' if name in schema else 'unknown'}"
    for name, rule in ((name, schema[name]) for name in schema.keys() & value.keys()):
        if not isinstance(rule, Rule):
            yield from _faults(value[name], rule, f"{place}{name}#")
        elif not rule.accepts(value[name]):
            yield f"{place + name!r} must be {rule.expected}, not {shortened(value[name])}"
