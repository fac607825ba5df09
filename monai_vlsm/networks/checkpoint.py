"""Checkpoints hold what was trained and say how, and are refused whole if they are damaged or do not fit."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from monai_vlsm.errors import DataError, MissingFileError, told_of
from monai_vlsm.networks.facts import Facts
from monai_vlsm.networks.legacy import OLD_LABEL, guess_method, read_old_label
from monai_vlsm.networks.saving import save_whole
from monai_vlsm.networks.sharing import hash_tensor
from monai_vlsm.networks.torch_file import read_torch_file

CHECKSUM_BYTES = 32
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_Network = TypeVar("_Network", bound=nn.Module)


def adapter_state_dict(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return what training changes in ``network`` by name, without prompt, facts and checksum.

    That is the trained tensors, and the statistics of batch norms (telescopic, attention_unet, flexible_unet).
    """
    trained = {name: tensor.detach() for name, tensor in network.named_parameters() if tensor.requires_grad}
    return trained | _batch_statistics(network)


def load_adapter_state_dict(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load trained tensors, all and only those of ``adapter_state_dict``.

    Statistics of batch norms may be missing, as they once were: they stay as they are then.

    Raises:
        DataError: if a tensor is missing, unknown, of another shape or not finite; the network stays as it was.
    """
    _require_equal_names(set(adapter_state_dict(network)), tensors.keys() | _batch_statistics(network).keys())
    state = {**network.state_dict(), **tensors}
    network.load_state_dict(state | {"checksum": checksum(state)})


def save_adapters(network: nn.Module, path: str | Path) -> None:
    """Write what was trained into a file for ``load_network`` and ``load_checkpoint``, whole or not at all.

    Args:
        network: one of this package's, or a parallel or compiled one around it.
        path: of the file, which holds ``{"model": state_dict}`` as that of a bundle does.

    Raises:
        DataError: if the disk is full or the folder cannot be written.
    """
    save_whole({"model": _unwrapped(network).state_dict()}, path)


def load_checkpoint(network: _Network, path: str | Path) -> _Network:
    """Load ``{"model": state_dict}``, or a bare state dict, from a file into ``network`` and return the network.

    Files of version 0.1.0 are read, too. Only tensors are read from the file, no code is run.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if the file is damaged or does not fit the network.
    """
    state = read_state(path)
    with told_of(repr(str(path))):
        network.load_state_dict(state)
    return network


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint by name.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if it is damaged, or no checkpoint.
    """
    if not os.path.lexists(path):
        raise MissingFileError(
            f"there is no checkpoint {str(Path(path).absolute())!r}. Train first: "
            "python -m monai.bundle run training --config_file bundles/NAME/configs/train.json"
        )
    content = read_torch_file(path)
    state = content.get("model", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping):
        raise DataError(f"{str(path)!r} holds a {type(state).__name__}, not tensors by name: it is no checkpoint.")
    with told_of(repr(str(path))):
        _require_named_tensors(state)
    return dict(state)


def state_facts(state: Mapping[str, torch.Tensor]) -> Facts:
    """Return the facts in a state dict; those of a file of version 0.1.0 are told by its tensors."""
    if OLD_LABEL in state:
        first, name = read_old_label(state[OLD_LABEL])
        return Facts(*guess_method(state), backbone=name, fingerprint=first, format=1)
    if "facts" not in state:
        raise DataError("it holds no 'facts' that say what network it belongs to: it is no checkpoint of this package.")
    return Facts.decode(state["facts"])


def checksum(state: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return (32,) uint8 over all tensors of a state dict but the checksum itself."""
    digest = hashlib.sha256()
    for name in sorted(state.keys() - {"checksum"}):
        digest.update(name.encode() + hash_tensor(state[name]))
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def install_checkpoint_hooks(network: nn.Module) -> None:
    """Make ``state_dict()`` of ``network`` leave frozen tensors out and ``load_state_dict()`` refuse what does not fit.

    Both go through hooks, so that they also work inside DistributedDataParallel and with ``strict=False``.
    """
    network.register_state_dict_post_hook(_leave_out_frozen)
    network.register_load_state_dict_pre_hook(_refuse_misfit)
    network.register_load_state_dict_post_hook(_expect_no_frozen)


def _unwrapped(network: nn.Module) -> nn.Module:
    """Return the network of this package in a parallel or compiled one."""
    found = next((module for module in network.modules() if hasattr(module, "facts")), None)
    if found is None:
        raise DataError(f"{type(network).__name__} holds no network of this package.")
    return found


def _batch_statistics(network: nn.Module) -> dict[str, torch.Tensor]:
    norms = [(name, module) for name, module in network.named_modules() if isinstance(module, BatchNorm)]
    return {f"{name}.{key}": buffer for name, norm in norms for key, buffer in norm.named_buffers(recurse=False)}


def _frozen_names(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if not parameter.requires_grad}


def _leave_out_frozen(network: Any, state_dict: dict[str, Any], prefix: str, local_metadata: Any) -> None:
    network.require_untouched()
    for name in _frozen_names(network):
        state_dict.pop(prefix + name, None)
    own = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items() if name.startswith(prefix)}
    if not any(tensor.is_meta for tensor in own.values()):
        state_dict[prefix + "checksum"] = checksum(own).to(own["checksum"].device)


def _refuse_misfit(
    network: Any, state_dict: MutableMapping[str, Any], prefix: str, local_metadata: Any, *reports: Any
) -> None:
    network.require_untouched()
    named = {name: value for name, value in state_dict.items() if str(name).startswith(prefix)}
    _require_named_tensors(named)
    given = {name.removeprefix(prefix): tensor for name, tensor in named.items()}
    if OLD_LABEL in given:
        _convert_old(network, given)
        del state_dict[prefix + OLD_LABEL]
        state_dict.update({prefix + name: given[name] for name in ("facts", "checksum")})
    if "facts" in given:
        _require_same_network(network, Facts.decode(given["facts"]))
    own = network.state_dict(keep_vars=True)
    _require_equal_names(set(own), set(given))
    for name, tensor in own.items():
        _require_like(name, given[name], tensor)
    _require_known_tokens(network, given["default_input_ids"])
    if not torch.equal(given["checksum"].cpu(), checksum(given)):
        raise DataError(
            "the checkpoint is damaged: its tensors are not those that its checksum was made of. Take another copy of "
            "the file; tensors that you changed yourself go through load_adapter_state_dict(network, tensors)."
        )


def _convert_old(network: Any, given: dict[str, torch.Tensor]) -> None:
    """Turn the state dict of version 0.1.0 into one of today's for ``network``."""
    first, name = read_old_label(given.pop(OLD_LABEL))
    if first != network.first_values_fingerprint:
        raise another_backbone(name, first, network.backbone_name, network.first_values_fingerprint)
    given["facts"] = network.describe().encode()
    given["checksum"] = checksum(given)


def _require_same_network(network: Any, facts: Facts) -> None:
    own = network.describe()
    if facts.fingerprint != own.fingerprint:
        raise another_backbone(facts.backbone, facts.fingerprint, own.backbone, own.fingerprint)
    if facts.method != own.method:
        raise DataError(
            f"the checkpoint was trained with the method {facts.method!r}, this network has {own.method!r}. "
            "Was it trained with another network? build_network(checkpoint=...) and load_network(...) take the "
            "right one."
        )
    different = {
        name: (facts.settings.get(name), own.settings.get(name))
        for name in sorted(facts.settings.keys() | own.settings.keys())
        if facts.settings.get(name) != own.settings.get(name)
    }
    if different:
        told = ", ".join(f"{name} {theirs!r} (here {ours!r})" for name, (theirs, ours) in different.items())
        raise DataError(
            f"the checkpoint was trained with other settings: {told}. build_network(checkpoint=...) and "
            "load_network(...) take the right ones."
        )


def another_backbone(name: str, fingerprint: str, own_name: str, own_fingerprint: str) -> DataError:
    """Return the error that names the backbone of a checkpoint and the one that is there."""
    return DataError(
        f"this checkpoint was trained on the backbone {name!r} (fingerprint {fingerprint:.32}), this network stands on "
        f"{own_name!r} (fingerprint {own_fingerprint}). Weights, configuration and vocabulary must be the same: choose "
        "the backbone of the checkpoint, or train anew."
    )


def _require_named_tensors(state: Mapping[Any, Any]) -> None:
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise DataError(
                f"a checkpoint holds tensors by name, not {type(tensor).__name__} under {name!r:.100}: it is damaged, "
                "or no checkpoint."
            )
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise DataError(f"{name!r:.100} is not a plain tensor (it is sparse, quantized or without values).")


def _require_like(name: str, given: torch.Tensor, own: torch.Tensor) -> None:
    if own.shape != given.shape:
        raise DataError(
            f"{name!r} has the shape {tuple(given.shape)} in the checkpoint, {tuple(own.shape)} in this "
            "network: it was trained with other settings (bottleneck, positions of the adapters)."
        )
    if given.dtype not in (_FLOATS if own.is_floating_point() else (own.dtype,)):
        raise DataError(f"{name!r} is of {given.dtype} in the checkpoint, of {own.dtype} in this network.")
    if not given.to(own.dtype).isfinite().all():
        raise DataError(f"{name!r} holds values that are not finite: the training had failed, or the file is damaged.")


def _require_known_tokens(network: Any, input_ids: torch.Tensor) -> None:
    number = network.vocabulary_size
    if input_ids.numel() and not 0 <= int(input_ids.min()) <= int(input_ids.max()) < number:
        raise DataError(f"the default prompt of the checkpoint has tokens outside of the {number} of the backbone.")


def _require_equal_names(own: set[str], given: set[str]) -> None:
    missing, unexpected = sorted(own - given), sorted(given - own)
    if missing or unexpected:
        raise DataError(
            "the checkpoint does not fit this network: "
            + (f"{len(missing)} tensors are missing, the first is {missing[0]!r}" if missing else "nothing is missing")
            + (f"; {len(unexpected)} are unexpected, the first is {unexpected[0]!r}." if unexpected else ".")
            + " Was it trained with another network (dense, shallow, other positions of the adapters), or with "
            "parameters that were unfrozen by hand?"
        )


def _expect_no_frozen(network: nn.Module, incompatible: Any) -> None:
    frozen = _frozen_names(network)
    incompatible.missing_keys[:] = [
        name for name in incompatible.missing_keys if name[max(name.rfind("backbone."), 0) :] not in frozen
    ]
