"""What the ``config.json`` of a CLIPSeg may say; all that is not listed here is not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import CLIPSegConfig
from transformers.activations import ACT2FN

from monai_vlsm.data.prompts import MAX_TOKENS
from monai_vlsm.errors import DataError

_MOST = 65_536
_MOST_LAYERS = 100
"""Sizes beyond every published CLIPSeg: what claims more is damaged, or wants to take the memory."""


@dataclass(frozen=True)
class Rule:
    """What a field may be.

    Args:
        kind: type of the value.
        low: smallest number.
        high: largest number.
        changes_results: whether another value gives other masks.
    """

    kind: type
    low: float = 1
    high: float = _MOST
    changes_results: bool = True

    def holds(self, value: Any) -> bool:
        """Tell whether ``value`` may stand here."""
        if self.kind is str:
            return isinstance(value, str) and value in ACT2FN
        if self.kind is bool:
            return isinstance(value, bool)
        number = isinstance(value, int | float) if self.kind is float else isinstance(value, int)
        return number and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        if self.kind is str:
            return "the name of an activation"
        if self.kind is bool:
            return "true or false"
        return f"{'a' if self.kind is float else 'a whole'} number from {self.low:g} to {self.high:,.10g}"


_SIZE, _LAYERS, _FACTOR = Rule(int), Rule(int, high=_MOST_LAYERS), Rule(float, 0, 1, changes_results=False)
_TOKEN, _EPSILON = Rule(int, 0, 10_000_000, changes_results=False), Rule(float, 1e-12, 0.1)
_ENCODER = {
    "hidden_size": _SIZE,
    "intermediate_size": _SIZE,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _SIZE,
    "hidden_act": Rule(str),
    "layer_norm_eps": _EPSILON,
    "attention_dropout": _FACTOR,
}
FIELDS: dict[str, dict[str, Rule]] = {
    "": {
        "projection_dim": _SIZE,
        "extract_layers": Rule(int, 0, _MOST_LAYERS),
        "reduce_dim": _SIZE,
        "decoder_num_attention_heads": _SIZE,
        "decoder_attention_dropout": _FACTOR,
        "decoder_hidden_act": Rule(str),
        "decoder_intermediate_size": _SIZE,
        "conditional_layer": Rule(int, 0, _MOST_LAYERS),
        "use_complex_transposed_convolution": Rule(bool),
    },
    "vision_config": _ENCODER
    | {"num_channels": Rule(int, 3, 3), "image_size": Rule(int, high=8192), "patch_size": Rule(int, 4, 256)},
    "text_config": _ENCODER
    | {
        "vocab_size": Rule(int, 2, 10_000_000),
        "max_position_embeddings": Rule(int, MAX_TOKENS),
        "eos_token_id": Rule(int, 0, 10_000_000),
        "bos_token_id": _TOKEN,
        "pad_token_id": _TOKEN,
    },
}
"""By part of the file and field; the empty part is the file itself. What is missing has the default of transformers."""


def checked_config(content: Any, source: str) -> CLIPSegConfig:
    """Make the configuration of a CLIPSeg from the content of its ``config.json``.

    Everything else in the file is left aside, ``attn_implementation`` included: attention is always computed by
    PyTorch's fused kernel ("sdpa"), which gives the same result as "eager", faster. A file that comes from somebody
    else could name code that would have to be fetched.

    Args:
        content: of the JSON file.
        source: the file, for messages.

    Raises:
        DataError: if a value has the wrong type, or does not fit the others.
    """
    if not isinstance(content, Mapping):
        raise DataError(f"{source} must hold an object in braces, not {type(content).__name__}: it is no CLIPSeg.")
    if content.get("model_type", "clipseg") != "clipseg":
        raise DataError(f"{source} describes the model {content['model_type']!r}, not a CLIPSeg.")
    known = {part: _checked_part(content, part, source) for part in FIELDS}
    config = CLIPSegConfig(**known.pop(""), **known)
    _require_consistent(config, source)
    return config


def _checked_part(content: Mapping[str, Any], part: str, source: str) -> dict[str, Any]:
    # Files of 2022 say "text_config_dict" for what overrides "text_config".
    layers = [content] if not part else [content.get(part), content.get(f"{part}_dict")]
    values: dict[str, Any] = {}
    for layer in layers:
        if not isinstance(layer, Mapping | None):
            raise DataError(f"{part!r} in {source} must be an object in braces, not {layer!r:.60}.")
        values |= {field: layer[field] for field in FIELDS[part] if layer and field in layer}
    for field, value in values.items():
        rule, many = FIELDS[part][field], field == "extract_layers"
        if not (rule.holds(value) if not many else _holds_for_all(rule, value)):
            place = f"{part}.{field}" if part else field
            expected = f"a list of different values, each {rule}" if many else str(rule)
            raise DataError(f"{place!r} in {source} must be {expected}, not {value!r:.60}.")
    return values


def _holds_for_all(rule: Rule, values: Any) -> bool:
    return (
        isinstance(values, list | tuple)
        and 0 < len(values) <= _MOST_LAYERS
        and all(rule.holds(value) for value in values)
        and len(set(values)) == len(values)
    )


def _require_consistent(config: CLIPSegConfig, source: str) -> None:
    vision, text = config.vision_config, config.text_config
    faults = {
        "vision_config.hidden_size is no multiple of its attention heads": vision.hidden_size
        % vision.num_attention_heads,
        "text_config.hidden_size is no multiple of its attention heads": text.hidden_size % text.num_attention_heads,
        "reduce_dim is no multiple of decoder_num_attention_heads": config.reduce_dim
        % config.decoder_num_attention_heads,
        f"extract_layers names a layer that is not there (there are {vision.num_hidden_layers}, counted from 0)": max(
            config.extract_layers
        )
        >= vision.num_hidden_layers,
        "conditional_layer is none of the layers of the decoder": config.conditional_layer
        >= len(config.extract_layers),
        "image_size is no multiple of patch_size": vision.image_size % vision.patch_size,
        "patch_size is no multiple of 4": vision.patch_size % 4 if config.use_complex_transposed_convolution else 0,
    }
    for fault, is_there in faults.items():
        if is_there:
            raise DataError(f"the values of {source} contradict each other: {fault}.")
