"""Checkpoints hold what was trained, name the backbone under it, and are refused if they do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks.backbone import Backbone

_LABEL_BYTES = 96
_Network = TypeVar("_Network", bound=nn.Module)

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


def adapter_state_dict(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the trained tensors of ``network`` by name, without prompt buffers and backbone label."""
    return {name: tensor.detach() for name, tensor in network.named_parameters() if tensor.requires_grad}


def load_adapter_state_dict(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load trained tensors, all and only those of :func:`adapter_state_dict`.

    Raises:
        DataError: if a tensor is missing, unknown or of another shape; the network stays as it was.
    """
    _require_equal_names(set(adapter_state_dict(network)), set(tensors))
    network.load_state_dict({**network.state_dict(), **tensors})


def load_checkpoint(network: _Network, path: str | Path) -> _Network:
    """Load ``{"model": state_dict}``, or a bare state dict, from a file into ``network`` and return the network.

    Only tensors are read from the file, no code is run.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if the file is damaged or does not fit the network.
    """
    if not Path(path).is_file():
        raise MissingFileError(
            f"there is no checkpoint {str(Path(path).absolute())!r}. Train first: "
            "python -m monai.bundle run training --config_file bundles/NAME/configs/train.json"
        )
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything: RuntimeError, KeyError, EOFError, OSError ...
        raise DataError(f"the checkpoint {str(path)!r} is damaged, or holds more than tensors: {error}") from error
    state = loaded.get("model", loaded) if isinstance(loaded, Mapping) else loaded
    if not isinstance(state, Mapping):
        raise DataError(f"{str(path)!r} holds a {type(state).__name__}, not tensors by name: it is no checkpoint.")
    try:
        network.load_state_dict(state)
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}") from error
    return network


def convert_reference_checkpoint(state_dict: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Rename the adapters in a checkpoint of the public code for :func:`load_adapter_state_dict`.

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


def fingerprint_tensor(backbone: Backbone) -> torch.Tensor:
    """Return fingerprint and name of ``backbone`` as uint8, so that any checkpoint format can carry them."""
    text = f"{backbone.fingerprint} {backbone.name}".encode()[:_LABEL_BYTES]
    return torch.tensor(list(text.ljust(_LABEL_BYTES)), dtype=torch.uint8)


def install_checkpoint_hooks(network: nn.Module) -> None:
    """Make ``state_dict()`` of ``network`` leave frozen tensors out and ``load_state_dict()`` refuse what does not fit.

    Both go through hooks, so that they also work inside DistributedDataParallel and with ``strict=False``.
    """
    network.register_state_dict_post_hook(_leave_out_frozen)
    network.register_load_state_dict_pre_hook(_refuse_misfit)
    network.register_load_state_dict_post_hook(_expect_no_frozen)


def _frozen_names(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if not parameter.requires_grad}


def _leave_out_frozen(network: nn.Module, state_dict: dict[str, Any], prefix: str, local_metadata: Any) -> None:
    for name in _frozen_names(network):
        state_dict.pop(prefix + name, None)


def _refuse_misfit(
    network: nn.Module, state_dict: Mapping[str, Any], prefix: str, local_metadata: Any, *reports: Any
) -> None:
    given = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items() if name.startswith(prefix)}
    own = network.state_dict()
    label, expected = _read_label(given.get("backbone_fingerprint")), _read_label(own["backbone_fingerprint"])
    if label and label.split(" ")[0] != expected.split(" ")[0]:
        raise DataError(
            f"this checkpoint was trained on the backbone {label.split(' ', 1)[1]!r} (weights {label.split(' ')[0]}), "
            f"this network stands on {expected.split(' ', 1)[1]!r} (weights {expected.split(' ')[0]}). "
            "Choose the backbone of the checkpoint, or train anew."
        )
    _require_equal_names(set(own), set(given))
    for name, tensor in own.items():
        if tensor.shape != given[name].shape:
            raise DataError(
                f"{name!r} has the shape {tuple(given[name].shape)} in the checkpoint, {tuple(tensor.shape)} in this "
                "network: it was trained with other settings (bottleneck, positions of the adapters)."
            )


def _read_label(label: torch.Tensor | None) -> str:
    return "" if label is None else bytes(label.tolist()).decode(errors="replace").strip()


def _require_equal_names(own: set[str], given: set[str]) -> None:
    missing, unexpected = sorted(own - given), sorted(given - own)
    if missing or unexpected:
        raise DataError(
            "the checkpoint does not fit this network: "
            + (f"{len(missing)} tensors are missing, the first is {missing[0]!r}" if missing else "nothing is missing")
            + (f"; {len(unexpected)} are unexpected, the first is {unexpected[0]!r}." if unexpected else ".")
            + " Was it trained with another network (dense, shallow, other positions of the adapters)?"
        )


def _expect_no_frozen(network: nn.Module, incompatible: Any) -> None:
    frozen = _frozen_names(network)
    incompatible.missing_keys[:] = [
        name for name in incompatible.missing_keys if name[max(name.rfind("backbone."), 0) :] not in frozen
    ]
