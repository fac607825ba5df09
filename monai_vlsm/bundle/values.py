"""What the top-level keys of a bundle may hold: the values that a person changes, with their types and ranges."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from monai_vlsm.data.paraphrases import MOST_PARAPHRASES
from monai_vlsm.rules import (
    CONTEXTS,
    LORA_ALPHA,
    LORA_DROPOUT,
    SWITCH,
    Rule,
    number,
    or_list,
    or_null,
    or_word,
    whole,
    word,
)

_LONGEST_TEXT = 4096
"""Characters, of a path."""
LONGEST_PROMPT = 1000
"""Characters; CLIPSeg reads 77 tokens, which are some 400 characters."""
_UNREADABLE = re.compile("[\0\ud800-\udfff]|[@%](?:#|::)")
"""NUL and halves of characters, which no file name or tokenizer takes; and what MONAI reads as a place in the file."""


def _text(longest: int = _LONGEST_TEXT) -> Rule:
    return Rule(
        f"text of at most {longest:,} characters, without NUL, halves of characters, '@#' and '%#'",
        lambda value: isinstance(value, str) and len(value) <= longest and not _UNREADABLE.search(value),
    )


def _is_below(path: str) -> bool:
    parts = PureWindowsPath(path)  # it takes both kinds of slash
    return not (parts.anchor or PurePosixPath(path).anchor or ".." in parts.parts)


TEXT = _text()
"""Any text that can be used at all."""

_PLACE = Rule(
    "a path without '..' that does not begin at the root or a drive",
    lambda value: TEXT.accepts(value) and value and _is_below(value),
)
_NAME = Rule("text that is not empty", lambda value: TEXT.accepts(value) and bool(value.strip()))

RULES = {
    "absent": SWITCH,
    "absent_prompts": or_list(_text(LONGEST_PROMPT)),
    "accumulate": whole(1, 4096),
    "adapt_cond": SWITCH,
    "adapt_text": SWITCH,
    "adapt_vision": SWITCH,
    "alpha": number(0.001, 0.999),
    "amp": SWITCH,
    "augment": word("'none', 'intensity', 'geometry' or 'all'", "none|intensity|geometry|all"),
    "backbone": _NAME,
    "batch_size": whole(1, 4096),
    "bottleneck": whole(1, 4096),
    "bundle_name": _NAME,
    "bundle_root": _NAME,
    "cache": word("'memory', 'disk' or 'none'", "memory|disk|none"),
    "cache_dir": _PLACE,
    "cache_features": SWITCH,
    "cache_rate": number(0, 1),
    "checkpoint": _PLACE,
    "compile": Rule("true, false or 'auto'", lambda value: type(value) is bool or value == "auto"),
    "cond_bottleneck": whole(1, 4096),
    "dataset_dir": _NAME,
    "context_depth": whole(1, 100),
    "contexts": CONTEXTS,
    "device": word("'cpu', 'cuda', 'cuda:1' ...", r"(cpu|cuda|mps|xpu)(:[0-9]{1,3})?"),
    "early_stop_patience": whole(1, 100_000),
    "gradient_checkpointing": SWITCH,
    "image_size": whole(16, 2048, step=16),
    "images": or_list(_NAME),
    "lambda_ce": or_null(number(0, 1000)),
    "lambda_dice": or_null(number(0, 1000)),
    "learning_rate": or_null(number(1e-12, 100)),
    "look_below": number(0, 1),
    "lora_alpha": LORA_ALPHA,
    "lora_dropout": LORA_DROPOUT,
    "lora_rank": whole(1, 4096),
    "lr_factor": or_null(number(1e-6, 0.999)),
    "lr_patience": whole(0, 100_000),
    "max_epochs": whole(1, 100_000),
    "max_gradient_norm": number(1e-12, 1e6),
    "method": word("a method such as 'dense' or 'shallow'", r"[a-z]{1,50}(_[a-z]{1,50}){0,3}"),
    "min_delta": number(0, 1),
    "min_presence": or_null(number(0, 1)),
    "negative_fraction": number(0, 1),
    "num_workers": or_null(whole(0, 256)),
    "output_dir": _PLACE,
    "overlays": whole(0, 10_000),
    "paraphrases": whole(0, MOST_PARAPHRASES),
    "precision": word("'auto', 'float32', 'bfloat16' or 'float16'", "auto|float32|bfloat16|float16"),
    "prompt": _text(LONGEST_PROMPT),
    "prompt_level": word("'random' or a level such as 'p1'", r"random|p[0-9]{1,3}"),
    "seed": whole(0, 2**32 - 1),
    "sensitivity": number(0.5, 1),
    "split": word("'training', 'validation', 'calibration' or 'test'", "training|validation|calibration|test"),
    "surface_tolerance": number(0, 1000),
    "threshold": or_word(number(0, 1), "best_dice", "risk_control"),
    "train_fraction": number(1e-6, 1),
    "val_interval": whole(1, 100_000),
    "val_prompt_level": word("a level such as 'p1'", r"p[0-9]{1,3}"),
    "weight_decay": number(0, 100),
}
"""By key. A key of the template that is missing here holds anything of the type that it has there."""


def rule_of(key: str, plain: Any) -> Rule | None:
    """Return what a top-level key may hold, or None if no value belongs there.

    Args:
        key: for example ``threshold``, or ``validate#dataloader#batch_size``.
        plain: its value in the template; None if that is no plain value.
    """
    by_type = {bool: SWITCH, int: whole(0, 10**9), float: number(-1e9, 1e9), str: TEXT}
    return RULES.get(key.rsplit("#", 1)[-1], by_type.get(type(plain)))
