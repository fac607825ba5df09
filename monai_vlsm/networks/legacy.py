"""Checkpoints of others and of old: the public code of the paper, and version 0.1.0 of this package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from monai_vlsm.errors import DataError

OLD_LABEL = "backbone_label"
"""Where version 0.1.0 kept fingerprint and name of the backbone."""

_REFERENCE_NAMES = {
    "v_attn_adapters": "vision_attention_adapters",
    "v_out_adapters": "vision_mlp_adapters",
    "l_attn_adapters": "text_attention_adapters",
    "l_out_adapters": "text_mlp_adapters",
    "vision_extract_adapters": "vision_adapters",
    "text_extract_adapters": "text_adapters",
    "cond_adapter": "cond_adapter",
    "fc1": "down",
    "fc2": "up",
}
"""Names of the public code (naamiinepal/vlsm-adapter@d5b5a5e, src/models/clipseg_adapter.py) and ours."""


def convert_reference_checkpoint(state_dict: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Rename the adapters in a checkpoint of the public code for ``load_adapter_state_dict``.

    Args:
        state_dict: of the public network, or a Lightning checkpoint with a ``state_dict`` of names that begin
            with ``net.``. The frozen CLIPSeg tensors in it are left out.

    Raises:
        DataError: if it holds no adapter at all.
    """
    state_dict = state_dict.get("state_dict", state_dict)
    converted = {}
    for name, tensor in state_dict.items():
        parts = name.removeprefix("net.").split(".")
        if parts[0] in _REFERENCE_NAMES:
            converted[".".join(_REFERENCE_NAMES.get(part, part) for part in parts)] = tensor
    if not converted:
        first = next(iter(state_dict), None)
        raise DataError(f"this is no checkpoint of VLSM-Adapter: no adapter in it, its first name is {first!r}.")
    return converted


def read_old_label(label: torch.Tensor) -> tuple[str, str]:
    """Return fingerprint and name of the backbone from a checkpoint of version 0.1.0.

    Raises:
        DataError: if it is no such label.
    """
    if label.dtype != torch.uint8 or label.shape != (96,) or label.is_meta:
        raise DataError(f"the checkpoint is damaged: {OLD_LABEL!r} must be 96 bytes.")
    first, _, name = label.cpu().numpy().tobytes().decode(errors="replace").strip().partition(" ")
    return first, name


def guess_method(state: Mapping[str, torch.Tensor]) -> tuple[str, dict[str, Any]]:
    """Tell method and settings of a checkpoint of version 0.1.0 by the names and shapes of its tensors."""
    if any(name.startswith("backbone.clip.") for name in state):
        return "full", {}
    if any(name.startswith("backbone.decoder.") for name in state):
        return "decoder", {}
    places = {name.partition(".")[0] for name in state if "_adapter" in name}
    if not places:
        return "zero_shot", {}
    method = "shallow" if places & {"vision_adapters", "text_adapters"} else "dense"
    settings = {f"adapt_{part}": any(place.startswith(part) for place in places) for part in ("vision", "text", "cond")}
    sizes: dict[str, int] = {}
    for name, tensor in state.items():
        if name.endswith(".down.weight") and tensor.ndim == 2:
            sizes["cond_bottleneck" if name.startswith("cond") else "bottleneck"] = len(tensor)
    return method, settings | sizes
