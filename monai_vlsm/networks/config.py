"""What the ``config.json`` of a CLIPSeg may say; all that is not listed here is not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from transformers import CLIPSegConfig
from transformers.activations import ACT2FN

from monai_vlsm.data.prompts import MAX_TOKENS
from monai_vlsm.errors import DataError
from monai_vlsm.rules import SWITCH, WIDEST, WIDTH, Rule, number, shortened, whole

_MOST_LAYERS = 100
"""Many times those of any published CLIPSeg."""


class Field(NamedTuple):
    """A value of the file: what it may be, and whether another one gives other masks."""

    rule: Rule
    changes_results: bool = True


def _are_layers(value: Any) -> bool:
    is_list = isinstance(value, list | tuple) and 0 < len(value) <= _MOST_LAYERS
    return is_list and all(map(_LAYER.accepts, value)) and len(set(value)) == len(value)


_LAYER = whole(0, _MOST_LAYERS)
_ACTIVATION = Field(Rule("the name of an activation", lambda value: isinstance(value, str) and value in ACT2FN))
_SIZE, _LAYERS = Field(WIDTH), Field(whole(1, _MOST_LAYERS))
_DROPOUT, _TOKEN = (Field(rule, changes_results=False) for rule in (number(0, 1), whole(0, 10_000_000)))
_ENCODER = {
    "hidden_size": _SIZE,
    "intermediate_size": _SIZE,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _SIZE,
    "hidden_act": _ACTIVATION,
    "layer_norm_eps": Field(number(1e-12, 0.1)),
    "attention_dropout": _DROPOUT,
}
FIELDS: dict[str, dict[str, Field]] = {
    "": {
        "projection_dim": _SIZE,
        "extract_layers": Field(Rule(f"a list of different values, each {_LAYER.expected}", _are_layers)),
        "reduce_dim": _SIZE,
        "decoder_num_attention_heads": _SIZE,
        "decoder_attention_dropout": _DROPOUT,
        "decoder_hidden_act": _ACTIVATION,
        "decoder_intermediate_size": _SIZE,
        "conditional_layer": Field(_LAYER),
        "use_complex_transposed_convolution": Field(SWITCH),
    },
    "vision_config": _ENCODER
    | {"num_channels": Field(whole(3, 3)), "image_size": Field(whole(1, 8192)), "patch_size": Field(whole(4, 256))},
    "text_config": _ENCODER
    | {
        "vocab_size": Field(whole(2, 10_000_000)),
        "max_position_embeddings": Field(whole(MAX_TOKENS, WIDEST)),
        "eos_token_id": Field(_TOKEN.rule),
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
        rule = FIELDS[part][field].rule
        if not rule.accepts(value):
            place = f"{part}.{field}" if part else field
            raise DataError(f"{place!r} in {source} must be {rule.expected}, not {shortened(value)}.")
    return values


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
