"""What can be trained, by one name each, with the recipe of each; and networks built, loaded and counted by it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_vlsm.errors import DataError, told_of
from monai_vlsm.networks.backbone import DEFAULT_BACKBONE, Backbone, load_backbone, resolve_name
from monai_vlsm.networks.checkpoint import another_backbone, load_checkpoint, read_state, state_facts
from monai_vlsm.networks.nets import (
    CLIPSegCoOp,
    CLIPSegDenseAdapter,
    CLIPSegFineTune,
    CLIPSegLoRA,
    CLIPSegMaPLe,
    CLIPSegShallowAdapter,
    CLIPSegTelescopicAdapter,
    CLIPSegVPT,
    ImageOnlyNetwork,
    PromptedNetwork,
)
from monai_vlsm.networks.nets.base import CLIPSegNetwork
from monai_vlsm.networks.precision import AUTO

_logger = logging.getLogger("monai_vlsm")


@dataclass(frozen=True)
class Method:
    """A way of adapting CLIPSeg, with the recipe it is trained by; what is not said is that of VLSM-Adapter.

    Args:
        network_class: what is built.
        learning_rate: of AdamW, at the start.
        weight_decay: of AdamW.
        lr_factor: by which the learning rate falls.
        lambda_dice: weight of the Dice in the loss.
        lambda_ce: weight of the cross entropy in the loss.
        settings: names of the arguments of the network that a user may choose.
        fixed: arguments that make the class this method.
    """

    network_class: type[CLIPSegNetwork] | type[ImageOnlyNetwork]
    learning_rate: float
    weight_decay: float = 1e-3
    lr_factor: float = 0.3
    lambda_dice: float = 1.5
    lambda_ce: float = 1.0
    settings: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)


_ADAPTERS = ("bottleneck", "adapt_vision", "adapt_text", "adapt_cond", "cond_bottleneck")

_LORA = ("lora_rank", "lora_alpha", "lora_dropout", "adapt_text")
# Recipe of TuneVLSeg for all kinds of prompt tuning on CLIPSeg (naamiinepal/tunevlseg, arXiv 2410.05239).
_PromptTuning = partial(
    Method,
    learning_rate=2e-4,
    weight_decay=0.0,
    lr_factor=0.2,
    lambda_dice=1.0,
    lambda_ce=0.2,
    settings=("contexts", "context_depth"),
)

METHODS: dict[str, Method] = {
    # The paper's rates (naamiinepal/vlsm-adapter@d5b5a5e): 1e-3 dense, 3e-4 shallow.
    "dense": Method(CLIPSegDenseAdapter, learning_rate=1e-3, settings=_ADAPTERS),
    "shallow": Method(CLIPSegShallowAdapter, learning_rate=3e-4, settings=_ADAPTERS),
    # Its recipe was not published; "uses the splits and the protocol of VLSM-Adapter" (README of the code).
    "telescopic": Method(CLIPSegTelescopicAdapter, learning_rate=1e-3, settings=_ADAPTERS),
    # None is published for CLIPSeg; these are the rate and decay of CLIP-LoRA (arXiv 2405.18541).
    "lora": Method(CLIPSegLoRA, learning_rate=2e-4, weight_decay=1e-2, settings=_LORA),
    "coop": _PromptTuning(CLIPSegCoOp),
    "vpt": _PromptTuning(CLIPSegVPT),
    "maple": _PromptTuning(CLIPSegMaPLe),
    # The public "end-to-end" CLIPSeg has 1e-3, and trained the decoder alone.
    "decoder": Method(CLIPSegFineTune, learning_rate=1e-3, fixed={"mode": "decoder"}),
    # Nobody published a rate for all of CLIPSeg; this is the paper's for CRIS, of which really all 147 M are trained.
    "full": Method(CLIPSegFineTune, learning_rate=1e-4, fixed={"mode": "full"}),
    "zero_shot": Method(CLIPSegFineTune, learning_rate=0.0, weight_decay=0.0, fixed={"mode": "zero_shot"}),
    # From random weights, without text.
    "unet": Method(ImageOnlyNetwork, learning_rate=1e-3, fixed={"architecture": "unet"}),
    "unetpp": Method(ImageOnlyNetwork, learning_rate=3e-4, fixed={"architecture": "unetpp"}),
    "attention_unet": Method(ImageOnlyNetwork, learning_rate=1e-4, fixed={"architecture": "attention_unet"}),
    "flexible_unet": Method(ImageOnlyNetwork, learning_rate=1e-3, fixed={"architecture": "flexible_unet"}),
    "swin_unetr": Method(ImageOnlyNetwork, learning_rate=1e-4, weight_decay=1e-5, fixed={"architecture": "swin_unetr"}),
}
"""Methods by name."""


def build_network(
    method: str = "dense",
    backbone: str | Backbone | None = None,
    prompt: str = "",
    checkpoint: str | Path | None = None,
    precision: str = AUTO,
    compile: bool | str = False,
    gradient_checkpointing: bool = False,
    **settings: Any,
) -> PromptedNetwork:
    """Build a network by the name of its method.

    Args:
        method: name in ``METHODS``, such as ``"dense"``.
        backbone: hub id, local folder or ``"tiny"``; None is the default, see ``load_backbone``. The default gives
            way to ``"tiny"``, with a warning, where the checkpoint was trained on that.
        prompt: what is segmented when no tokens are given.
        checkpoint: a file that will be loaded later; if it is there, its method and settings count, not those given
            here. Its weights are not loaded.
        precision: in which the network computes, see ``CLIPSegNetwork``.
        compile: ``True``, ``False`` or ``"auto"``, see ``set_compiling`` of the network.
        gradient_checkpointing: whether layers are computed a second time, see ``save_memory`` of the network.
        settings: arguments of the method's network; None leaves one at its default.

    Raises:
        DataError: if there is no such method or precision, it has no such setting, or the checkpoint is damaged.
    """
    if checkpoint is not None and os.path.lexists(checkpoint):
        state = read_state(checkpoint)
        network = _build_for(state, str(checkpoint), _chosen_backbone(backbone, state, checkpoint), prompt)
    else:
        network = _build(method, backbone, prompt, settings)
    network = network.set_precision(precision).set_compiling(compile)
    return network.save_memory() if gradient_checkpointing else network


def load_network(path: str | Path, backbone: str | Backbone | None = None, precision: str = AUTO) -> PromptedNetwork:
    """Build the network of a checkpoint and load it; the file knows method, settings and backbone.

    Args:
        path: a file of ``save_adapters``, or ``models/model.pt`` of a bundle.
        backbone: in place of the one that the file names, which must be the same by its content. Needed where the file
            names another than ``"tiny"`` and the default one, because the name alone does not say where it is here.
        precision: in which the network computes, see ``CLIPSegNetwork``.

    Raises:
        MissingFileError: if there is no such file, or the backbone is not there.
        DataError: if the file is damaged, or its backbone is another one.
    """
    state = read_state(path)
    if backbone is None:
        named = _in_file(path, state).backbone
        backbone = named if named in ("tiny", DEFAULT_BACKBONE) else None
    network = _build_for(state, str(path), backbone, "").set_precision(precision)
    return load_checkpoint(network, path)


def trained_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that an optimizer gets.

    Raises:
        DataError: if there are none, as in the method ``"zero_shot"``.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not parameters:
        raise DataError("nothing in this network is trained: choose a method other than 'zero_shot'.")
    return parameters


def trainable_summary(network: nn.Module) -> str:
    """Say how many parameters are trained, such as ``"339,744 of 2,424,417 (14.0%)"``."""
    numbers = [(parameter.numel(), parameter.requires_grad) for parameter in network.parameters()]
    total, trained = sum(number for number, _ in numbers), sum(number for number, is_trained in numbers if is_trained)
    return f"{trained:,} of {total:,} ({trained / total:.1%})"


def _build(method: str, backbone: str | Backbone | None, prompt: str, settings: Mapping[str, Any]) -> PromptedNetwork:
    if not isinstance(method, str) or method not in METHODS:
        raise DataError(f"there is no method {method!r}, choose one of {', '.join(METHODS)}.")
    chosen = METHODS[method]
    given = {name: value for name, value in settings.items() if value is not None}
    wrong = sorted(given.keys() - set(chosen.settings))
    if wrong:
        allowed = f"only {', '.join(chosen.settings)}" if chosen.settings else "none"
        raise DataError(f"the method {method!r} has no setting {wrong[0]!r}, {allowed}.")
    return chosen.network_class(backbone, prompt=prompt, **chosen.fixed, **given)


def _build_for(
    state: Mapping[str, torch.Tensor], path: str, backbone: str | Backbone | None, prompt: str
) -> PromptedNetwork:
    facts = _in_file(path, state)
    source = load_backbone(backbone)
    own = source.fingerprint if facts.format > 1 else source.first_values_fingerprint
    with told_of(repr(path)):
        if facts.fingerprint != own:
            raise another_backbone(facts.backbone, facts.fingerprint, source.name, own)
        if facts.settings:
            # First without memory: the file may claim any size, but must hold the tensors of that size.
            with torch.device("meta"):
                _require_shapes(_build(facts.method, source, "", facts.settings), state)
        return _build(facts.method, source, prompt, facts.settings)


def _chosen_backbone(
    backbone: str | Backbone | None, state: Mapping[str, torch.Tensor], path: str | Path
) -> str | Backbone | None:
    """Return ``"tiny"`` in place of the default for a checkpoint that names it, because nobody chose the default."""
    is_default = not isinstance(backbone, Backbone) and resolve_name(backbone) == DEFAULT_BACKBONE
    if not is_default or _in_file(path, state).backbone != "tiny":
        return backbone
    _logger.warning(f"{str(path)!r} was trained on the backbone 'tiny', taken instead of {DEFAULT_BACKBONE!r}.")
    return "tiny"


def _require_shapes(network: PromptedNetwork, state: Mapping[str, torch.Tensor]) -> None:
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and (name not in state or state[name].shape != parameter.shape):
            raise DataError(
                f"the checkpoint is damaged: by its settings it must hold {name!r} of the shape "
                f"{tuple(parameter.shape)}."
            )


def _in_file(path: str | Path, state: Mapping[str, torch.Tensor]) -> Any:
    with told_of(repr(str(path))):
        return state_facts(state)
