"""What tells one backbone from another: every weight, the configuration, the vocabulary and how it is used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPTokenizer

from monai_vlsm.networks.config import FIELDS
from monai_vlsm.networks.text import encode

_PROBES = (
    "",
    "a photo of a cat",
    "Benign TUMOR, 12.5 mm!",
    "don't  split\tthis\nhere",
    "naïve Ärzte in Ångström",
    "息肉 🩺 ½",
    "<|startoftext|> polyp <|endoftext|>",
    "first " + "word " * 100 + "last",
)
"""Texts whose tokens depend on case, accents, white space, digits, special tokens, padding and the cut of long ones."""


def fingerprint(config: CLIPSegConfig, tokenizer: CLIPTokenizer | None, digests: Mapping[str, bytes]) -> str:
    """Return 32 hexadecimal digits that two backbones share only if they give the same result for every input.

    The same values from a file of another format or from another folder give the same digits.

    Args:
        config: of the model.
        tokenizer: of the model, or None.
        digests: of every tensor, by name.
    """
    facts = {
        "config": _config_facts(config),
        "tokenizer": tokenizer and _tokenizer_facts(tokenizer),
        "tensors": {name: digest.hex() for name, digest in digests.items()},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def first_values_fingerprint(model: CLIPSegForImageSegmentation) -> str:
    """Return what version 0.1.0 took for the fingerprint: 64 values of every tensor."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().flatten()[:64].float().numpy().tobytes())
    return digest.hexdigest()[:16]


def _config_facts(config: CLIPSegConfig) -> dict[str, Any]:
    parts = {"": config, "vision_config": config.vision_config, "text_config": config.text_config}
    return {
        f"{part}.{field}": sorted(value) if isinstance(value := getattr(parts[part], field), list | tuple) else value
        for part, fields in FIELDS.items()
        for field, facts in fields.items()
        if facts.changes_results
    }


def _tokenizer_facts(tokenizer: CLIPTokenizer) -> dict[str, Any]:
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    with torch.device("cpu"):  # networks may be built with another default device
        tokens = encode(tokenizer, list(_PROBES))
    return {
        "vocabulary": sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0])),
        "merges": [pair if isinstance(pair, str) else " ".join(pair) for pair in merges],
        "probes": {name: tensor.tolist() for name, tensor in tokens.items()},
    }
