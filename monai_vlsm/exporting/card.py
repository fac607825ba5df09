"""The card of an export: what a program must know to do with the files what this package does with the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

from monai_vlsm.bundle.fill import package_versions
from monai_vlsm.calibration import Calibration
from monai_vlsm.data.prompts import MAX_TOKENS
from monai_vlsm.data.whole import file_sha256
from monai_vlsm.runtime import CARD, FORMAT
from monai_vlsm.transforms.network_input import IMAGENET_MEAN, IMAGENET_STD
from monai_vlsm.transforms.presence import MOST, SHARE

_RESIZE = "bilinear, antialiased, to a square, as PIL and torch.nn.functional.interpolate(antialias=True) resize"
_RANGE = "8-bit values divided by 255; others stretched between their percentiles 0.5 and 99.5, cut to [0, 1]"

VALUES = ("image_size", "threshold", "min_presence", "prompt")
"""Keys of a bundle that the card has."""


def write_card(
    folder: Path, facts: Mapping[str, Any], tokenizer: CLIPTokenizer, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the card of the files in a folder, and return it.

    Args:
        folder: of the export, with all its other files.
        facts: about these files.
        tokenizer: of the network.
        values: of the bundle by key, ``VALUES`` and ``"calibration"``.
    """
    card = {
        "format": FORMAT,
        **facts,
        "image": image_facts(values["image_size"]),
        "text": text_facts(tokenizer, values["prompt"]),
        "mask": _mask_facts(values["calibration"], values["threshold"], values["min_presence"]),
        "versions": package_versions(),
        "files": _file_facts(folder),
    }
    (folder / CARD).write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return card


def write_tokenizer(tokenizer: CLIPTokenizer, path: Path) -> None:
    """Write a tokenizer as the library tokenizers does, without what the last call left in it."""
    document = json.loads(tokenizer.backend_tokenizer.to_str())
    path.write_text(json.dumps({**document, "truncation": None, "padding": None}, ensure_ascii=False), "utf-8")


def text_facts(tokenizer: CLIPTokenizer, prompt: str) -> dict[str, Any]:
    """Return what there is to know about prompts."""
    special = {text: tokenizer.convert_tokens_to_ids(text) for text in sorted(set(tokenizer.all_special_tokens))}
    return {
        "prompt": prompt,
        "max_tokens": MAX_TOKENS,
        "start": tokenizer.bos_token_id,
        "end": tokenizer.eos_token_id,
        "unknown": tokenizer.unk_token_id,
        "special": special,
    }


def image_facts(image_size: int) -> dict[str, Any]:
    """Return how an image becomes the input of the image encoder."""
    return {
        "size": image_size,
        "mean": list(IMAGENET_MEAN),
        "std": list(IMAGENET_STD),
        "range": _RANGE,
        "resize": _RESIZE,
    }


def _mask_facts(calibration: Calibration, threshold: float | str, min_presence: float | None) -> dict[str, Any]:
    """Return how logits become probabilities, a presence and a mask."""
    return {
        "resize": "logits bilinearly, not antialiased, to the size of the image",
        "temperature": calibration.temperature,
        "threshold": calibration.probability(threshold),
        "thresholds": dict(calibration.thresholds),
        "min_presence": calibration.least_presence(min_presence, threshold),
        "presence_slope": calibration.slope,
        "presence_offset": calibration.offset,
        "score": {"share": SHARE, "most": MOST},
    }


def _file_facts(folder: Path) -> dict[str, Any]:
    """Return size in bytes and checksum of each file in a folder."""
    return {path.name: {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in sorted(folder.iterdir())}
