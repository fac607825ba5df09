"""Embeddings of prompts, encoded once as long as the network stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from monai_vlsm.networks.nets.prompted import PromptedNetwork
from monai_vlsm.networks.text import tokenize

KEPT_PROMPTS = 256
"""Embeddings that are kept, of 2 kB each with CLIPSeg; there are data sets with a sentence of its own per image."""


class Tokens(NamedTuple):
    """A prompt as token ids: both (1, L) int64, or no mask, which means all of them."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor | None

    def values(self) -> tuple[bytes | None, ...]:
        """Return what two equal prompts share."""
        return tuple(None if part is None else part.cpu().numpy().tobytes() for part in self)


Prompt = str | Tokens | None
"""What is segmented; None is the default prompt of the network."""


class _Kept(NamedTuple):
    state: list[Any]
    memory: list[torch.Tensor]
    embeddings: dict[Any, torch.Tensor]


class PromptEmbeddings:
    """Encode prompts with a network, and look up those that it has encoded before, at most ``KEPT_PROMPTS``.

    What was encoded is used as long as every tensor of the network is the same memory in the same version, which
    PyTorch counts at every write in place (optimizers, ``copy_``, ``load_state_dict``). That memory is held here, so
    that its address cannot come back with other values. Writes through ``.data`` count no version and are not noticed.

    Threads may share one: the state of the network is read before a prompt is encoded, so that what is encoded while
    somebody writes belongs to a state that does not come again.
    """

    def __init__(self) -> None:
        self._kept = _Kept([], [], {})

    @torch.no_grad()
    def of_all(self, network: PromptedNetwork, prompts: Sequence[Prompt]) -> list[torch.Tensor]:
        """Return the embedding (1, P) of each prompt; the state of the network is read once for all.

        Raises:
            DataError: if a prompt is no text.
        """
        known = self._known_to(network)
        return [self._look_up(network, prompt, known) for prompt in prompts]

    @staticmethod
    def _look_up(network: PromptedNetwork, prompt: Prompt, known: dict[Any, torch.Tensor]) -> torch.Tensor:
        key = prompt.values() if isinstance(prompt, Tokens) else prompt
        found = known.get(key) if key is None or isinstance(key, str | tuple) else None
        if found is None:
            found = network.encode_text(*_tokens_of(prompt, network))
            if len(known) >= KEPT_PROMPTS:
                known.clear()
            known[key] = found
        return found

    def _known_to(self, network: PromptedNetwork) -> dict[Any, torch.Tensor]:
        """Return the embeddings that ``network`` would make again as it is now."""
        tensors = list(_tensors_of(network))
        kept = self._kept
        if kept.state != _state_of(network, tensors):
            memory = [tensor.detach() for tensor in tensors]
            self._kept = kept = _Kept(_state_of(network, memory), memory, {})
        return kept.embeddings


def _tensors_of(network: nn.Module) -> Iterator[torch.Tensor]:
    """Yield parameters and buffers; ``parameters()`` names them all, which takes as long as a small network runs."""
    modules: list[nn.Module | None] = [network]
    while modules:
        module = modules.pop()
        if module is not None:
            yield from (tensor for tensor in module._parameters.values() if tensor is not None)
            yield from (tensor for tensor in module._buffers.values() if tensor is not None)
            modules += module._modules.values()


def _state_of(network: PromptedNetwork, tensors: list[torch.Tensor]) -> list[Any]:
    autocast = torch.is_autocast_enabled(network.default_input_ids.device.type)
    # Made in inference mode, a tensor has no version: what is equal to nothing else lets nothing be looked up.
    versions = [object() if tensor.is_inference() else tensor._version for tensor in tensors]
    return [network.compute_type, autocast, versions, [tensor.data_ptr() for tensor in tensors]]


def _tokens_of(prompt: Prompt, network: PromptedNetwork) -> Tokens:
    if prompt is None:
        return Tokens(network.default_input_ids, network.default_attention_mask)
    return prompt if isinstance(prompt, Tokens) else Tokens(**tokenize(network.tokenizer, [prompt]))
