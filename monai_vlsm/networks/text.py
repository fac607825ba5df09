"""Prompts to token ids, and where a text ends in them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from threading import Lock
from typing import Any

import torch
from transformers import CLIPTokenizer

from monai_vlsm.data.prompts import MAX_TOKENS
from monai_vlsm.errors import DataError

_ONE_AT_A_TIME = Lock()
"""A tokenizer keeps padding and truncation as state: threads would get those of each other's calls."""


def tokenize(tokenizer: CLIPTokenizer, prompt: str | Sequence[str]) -> dict[str, torch.Tensor]:
    """Turn B prompts, or one, into token ids.

    Returns:
        ``input_ids`` and ``attention_mask``, each (B, L) int64 with L = 77. Longer prompts are cut, with a warning.

    Raises:
        DataError: if a prompt is not a string.
    """
    prompts = [prompt] if isinstance(prompt, str) or not isinstance(prompt, Sequence) else list(prompt)
    wrong = [text for text in prompts if not isinstance(text, str)]
    if wrong:
        raise DataError(f"a prompt must be a string, not {wrong[0]!r} of type {type(wrong[0]).__name__}.")
    with _ONE_AT_A_TIME:
        sizes = [len(ids) for ids in tokenizer(prompts, truncation=False, verbose=False)["input_ids"]]
    for text, size in zip(prompts, sizes, strict=True):
        if size > MAX_TOKENS:
            warnings.warn(
                f"the prompt {text[:60]!r}... has {size} tokens, only the first {MAX_TOKENS} are used.",
                stacklevel=2,
            )
    return encode(tokenizer, prompts)


def encode(tokenizer: CLIPTokenizer, prompts: list[str]) -> dict[str, torch.Tensor]:
    """Turn B prompts into ``input_ids`` and ``attention_mask``, each (B, 77) int64; longer prompts are cut silently."""
    with _ONE_AT_A_TIME:
        tokens = tokenizer(
            prompts,
            padding="max_length",
            truncation=True,
            max_length=MAX_TOKENS,
            return_tensors="pt",
            verbose=False,
        )
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def end_of_text(input_ids: torch.Tensor, text_config: Any) -> torch.Tensor:
    """Return the position (B,) of the token in ``input_ids`` (B, L) whose state stands for the whole text.

    Parity: configurations older than transformers#24773 say ``eos_token_id: 2`` and mean the highest id.
    """
    if text_config.eos_token_id == 2:
        return input_ids.argmax(dim=-1)
    return (input_ids == text_config.eos_token_id).int().argmax(dim=-1)
