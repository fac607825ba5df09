"""What a value may be that a person gives, or a file of somebody else: a test, with the words of its refusal."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monai_vlsm.errors import DataError

_LONGEST_SHOWN = 200
"""Characters of a value in a message."""


@dataclass(frozen=True)
class Rule:
    """What a value may be.

    Args:
        expected: the same in words.
        accepts: tells whether a value is such a one.
    """

    expected: str
    accepts: Callable[[Any], bool]


def whole(low: int, high: int, step: int = 1) -> Rule:
    """Return the rule of whole numbers from ``low`` to ``high``; 1.0 and True are none."""
    kind = "a whole number" if step == 1 else f"a multiple of {step}"
    return Rule(
        f"{kind} from {low:,} to {high:,}",
        lambda value: type(value) is int and low <= value <= high and value % step == 0,
    )


def number(low: float, high: float) -> Rule:
    """Return the rule of numbers from ``low`` to ``high``; NaN is none."""
    return Rule(
        f"a number from {low:g} to {high:g}",
        lambda value: type(value) in (int, float) and low <= value <= high,
    )


def word(expected: str, pattern: str) -> Rule:
    """Return the rule of texts that match a regular expression as a whole."""
    return Rule(expected, lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value)))


def or_list(rule: Rule) -> Rule:
    """Return the rule of what ``rule`` accepts, and of lists of such texts."""
    return Rule(
        f"{rule.expected}; or a list of such texts",
        lambda value: all(map(rule.accepts, value)) if isinstance(value, list) else rule.accepts(value),
    )


def or_null(rule: Rule) -> Rule:
    """Return the rule of what ``rule`` accepts, and of None."""
    return Rule(f"{rule.expected}, or null", lambda value: value is None or rule.accepts(value))


def or_word(rule: Rule, *words: str) -> Rule:
    """Return the rule of what ``rule`` accepts, and of these words."""
    return Rule(
        f"{rule.expected}, or {' or '.join(map(repr, words))}",
        lambda value: rule.accepts(value) or (isinstance(value, str) and value in words),
    )


SWITCH = Rule("true or false, on a command line True or False", lambda value: type(value) is bool)

WIDEST = 65_536
WIDTH = whole(1, WIDEST)
"""Of a part of a network: many times that of any CLIPSeg. What asks for more is damaged, or wants all memory."""

CONTEXTS, LORA_ALPHA, LORA_DROPOUT = whole(1, 64), number(1e-3, 1e5), number(0, 0.99)
"""Settings of methods, in bundles and in networks."""

MOST_LABELS = 65_535
"""The largest value of a label map, which has 16 bits then."""


def require_value(rule: Rule, value: Any, key: str, path: Any = None) -> None:
    """Raise a DataError unless ``value`` is what ``key`` may hold.

    Args:
        path: of the file that it comes from, for the message.
    """
    if not rule.accepts(value):
        source = "" if path is None else f"{str(path)!r}: "
        raise DataError(f"{source}{key!r} must be {rule.expected}, not {shortened(value)}.")


def shortened(value: Any) -> str:
    """Return a value as Python writes it, cut where it is too long to be read."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
