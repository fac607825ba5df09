"""What the top-level keys of a bundle may hold: the values that a person changes, with their types and ranges."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from monai_vlsm.data.paraphrases import MOST_PARAPHRASES
from monai_vlsm.errors import DataError

_LONGEST_TEXT = 4096
"""Characters, of a path."""
LONGEST_PROMPT = 1000
"""Characters; CLIPSeg reads 77 tokens, which are some 400 characters."""
_LONGEST_SHOWN = 200
"""Characters of a value in a message."""
_UNREADABLE = re.compile("[\0\ud800-\udfff]|[@%](?:#|::)")
"""NUL and halves of characters, which no file name or tokenizer takes; and what MONAI reads as a place in the file."""


@dataclass(frozen=True)
class Rule:
    """What a key may hold.

    Args:
        expected: the same in words.
        accepts: tells whether a value is such a one.
    """

    expected: str
    accepts: Callable[[Any], bool]


def _whole(low: int, high: int, step: int = 1) -> Rule:
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


def _word(expected: str, pattern: str) -> Rule:
    return Rule(expected, lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value)))


def _text(longest: int = _LONGEST_TEXT) -> Rule:
    return Rule(
        f"text of at most {longest:,} characters, without NUL, halves of characters, '@#' and '%#'",
        lambda value: isinstance(value, str) and len(value) <= longest and not _UNREADABLE.search(value),
    )


def _or_list(rule: Rule) -> Rule:
    return Rule(
        f"{rule.expected}; or a list of such texts",
        lambda value: all(map(rule.accepts, value)) if isinstance(value, list) else rule.accepts(value),
    )


def _or_null(rule: Rule) -> Rule:
    return Rule(f"{rule.expected}, or null", lambda value: value is None or rule.accepts(value))


def _or_word(rule: Rule, *words: str) -> Rule:
    return Rule(
        f"{rule.expected}, or {' or '.join(map(repr, words))}",
        lambda value: rule.accepts(value) or (isinstance(value, str) and value in words),
    )


def _is_below(path: str) -> bool:
    parts = PureWindowsPath(path)  # it takes both kinds of slash
    return not (parts.anchor or PurePosixPath(path).anchor or ".." in parts.parts)


TEXT = _text()
"""Any text that can be used at all."""

_SWITCH = Rule("true or false, on a command line True or False", lambda value: type(value) is bool)
_PLACE = Rule(
    "a path without '..' that does not begin at the root or a drive",
    lambda value: TEXT.accepts(value) and value and _is_below(value),
)
_NAME = Rule("text that is not empty", lambda value: TEXT.accepts(value) and bool(value.strip()))

RULES = {
    "absent": _SWITCH,
    "absent_prompts": _or_list(_text(LONGEST_PROMPT)),
    "accumulate": _whole(1, 4096),
    "adapt_cond": _SWITCH,
    "adapt_text": _SWITCH,
    "adapt_vision": _SWITCH,
    "alpha": number(0.001, 0.999),
    "amp": _SWITCH,
    "augment": _word("'none', 'intensity', 'geometry' or 'all'", "none|intensity|geometry|all"),
    "backbone": _NAME,
    "batch_size": _whole(1, 4096),
    "bottleneck": _whole(1, 4096),
    "bundle_name": _NAME,
    "bundle_root": _NAME,
    "cache": _word("'memory', 'disk' or 'none'", "memory|disk|none"),
    "cache_dir": _PLACE,
    "cache_features": _SWITCH,
    "cache_rate": number(0, 1),
    "checkpoint": _PLACE,
    "compile": Rule("true, false or 'auto'", lambda value: type(value) is bool or value == "auto"),
    "cond_bottleneck": _whole(1, 4096),
    "dataset_dir": _NAME,
    "context_depth": _whole(1, 100),
    "contexts": _whole(1, 64),
    "device": _word("'cpu', 'cuda', 'cuda:1' ...", r"(cpu|cuda|mps|xpu)(:[0-9]{1,3})?"),
    "early_stop_patience": _whole(1, 100_000),
    "gradient_checkpointing": _SWITCH,
    "image_size": _whole(16, 2048, step=16),
    "images": _or_list(_NAME),
    "lambda_ce": _or_null(number(0, 1000)),
    "lambda_dice": _or_null(number(0, 1000)),
    "learning_rate": _or_null(number(1e-12, 100)),
    "look_below": number(0, 1),
    "lora_alpha": number(1e-3, 1e5),
    "lora_dropout": number(0, 0.99),
    "lora_rank": _whole(1, 4096),
    "lr_factor": _or_null(number(1e-6, 0.999)),
    "lr_patience": _whole(0, 100_000),
    "max_epochs": _whole(1, 100_000),
    "max_gradient_norm": number(1e-12, 1e6),
    "method": _word("a method such as 'dense' or 'shallow'", r"[a-z]{1,50}(_[a-z]{1,50}){0,3}"),
    "min_delta": number(0, 1),
    "min_presence": _or_null(number(0, 1)),
    "negative_fraction": number(0, 1),
    "num_workers": _or_null(_whole(0, 256)),
    "output_dir": _PLACE,
    "overlays": _whole(0, 10_000),
    "paraphrases": _whole(0, MOST_PARAPHRASES),
    "precision": _word("'auto', 'float32', 'bfloat16' or 'float16'", "auto|float32|bfloat16|float16"),
    "prompt": _text(LONGEST_PROMPT),
    "prompt_level": _word("'random' or a level such as 'p1'", r"random|p[0-9]{1,3}"),
    "seed": _whole(0, 2**32 - 1),
    "sensitivity": number(0.5, 1),
    "split": _word("'training', 'validation', 'calibration' or 'test'", "training|validation|calibration|test"),
    "surface_tolerance": number(0, 1000),
    "threshold": _or_word(number(0, 1), "best_dice", "risk_control"),
    "train_fraction": number(1e-6, 1),
    "val_interval": _whole(1, 100_000),
    "val_prompt_level": _word("a level such as 'p1'", r"p[0-9]{1,3}"),
    "weight_decay": number(0, 100),
}
"""By key. A key of the template that is missing here holds anything of the type that it has there."""


def rule_of(key: str, plain: Any) -> Rule | None:
    """Return what a top-level key may hold, or None if no value belongs there.

    Args:
        key: for example ``threshold``, or ``validate#dataloader#batch_size``.
        plain: its value in the template; None if that is no plain value.
    """
    by_type = {bool: _SWITCH, int: _whole(0, 10**9), float: number(-1e9, 1e9), str: TEXT}
    return RULES.get(key.rsplit("#", 1)[-1], by_type.get(type(plain)))


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
