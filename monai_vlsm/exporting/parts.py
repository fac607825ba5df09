"""A network in three parts: an image or a prompt is encoded once, and each pair of them is decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from monai_vlsm.errors import DataError
from monai_vlsm.networks.nets import ImageFeatures
from monai_vlsm.networks.nets.prompted import PromptedNetwork

_BATCH = 2
_TOKENS = 7
"""Sizes that the parts are recorded with; 1 would be taken for a constant."""


class ImageEncoder(nn.Module):
    """An image to the states that the decoder reads."""

    def __init__(self, network: PromptedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Encode ``image`` (B, 3, H, W), as ``encode_image`` of the network takes it, into (B, S, 1 + h * w, D)."""
        return torch.stack(self.network.encode_image(image).states, dim=1)


class TextEncoder(nn.Module):
    """A prompt to its embedding."""

    def __init__(self, network: PromptedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Embed ``input_ids`` (B, L) int64 into (B, P); what comes behind the end of a text changes nothing."""
        return self.network.encode_text(input_ids)


class Decoder(nn.Module):
    """States of images and embeddings of prompts to logits."""

    def __init__(self, network: PromptedNetwork, grid: tuple[int, int]) -> None:
        super().__init__()
        self.network = network
        self.grid = grid

    def forward(self, states: torch.Tensor, text_embedding: torch.Tensor) -> torch.Tensor:
        """Decode ``states`` (B, S, 1 + h * w, D) for ``text_embedding`` (B, P) into logits (B, 1, H, W)."""
        return self.network.decode(ImageFeatures(states.unbind(1), self.grid), text_embedding)


@dataclass(frozen=True)
class Part:
    """One of the three.

    Args:
        module: what is recorded.
        inputs: examples of what goes in, by name.
        output: name of what comes out.
        free: axes of each input whose size is free, with their names.
    """

    module: nn.Module
    inputs: Mapping[str, torch.Tensor]
    output: str
    free: Mapping[str, Mapping[int, str]]

    def facts(self) -> dict[str, Any]:
        """Return type and shape of each input, with names for the free axes, and the name of the output."""
        return {
            "inputs": {
                name: {
                    "type": str(tensor.dtype).removeprefix("torch."),
                    "shape": [self.free[name].get(axis, size) for axis, size in enumerate(tensor.shape)],
                }
                for name, tensor in self.inputs.items()
            },
            "output": self.output,
        }


@torch.no_grad()
def parts_of(network: PromptedNetwork, image_size: int) -> dict[str, Part]:
    """Return the parts of a network by name, for pictures of ``image_size`` x ``image_size`` pixels."""
    image = torch.zeros(_BATCH, 3, image_size, image_size)
    input_ids = network.default_input_ids[:, :_TOKENS].expand(_BATCH, -1).contiguous()
    features = network.encode_image(image)
    states, embedding = torch.stack(features.states, dim=1), network.encode_text(input_ids)
    batch = {0: "batch"}
    return {
        "image_encoder": Part(ImageEncoder(network), {"image": image}, "states", {"image": batch}),
        "text_encoder": Part(
            TextEncoder(network), {"input_ids": input_ids}, "text_embedding", {"input_ids": {0: "batch", 1: "tokens"}}
        ),
        "decoder": Part(
            Decoder(network, features.grid),
            {"states": states, "text_embedding": embedding},
            "logits",
            {"states": batch, "text_embedding": batch},
        ),
    }


@torch.no_grad()
def record(part: Part, name: str) -> ExportedProgram:
    """Record the graph of a part with its free axes.

    Raises:
        DataError: if PyTorch cannot record it, or only for sizes that are fixed.
    """
    # A named Dim that inputs share would be fixed at the size of the example without a word.
    free: Any = {key: dict.fromkeys(axes, Dim.DYNAMIC) for key, axes in part.free.items()}
    try:
        return torch.export.export(part.module.eval(), tuple(part.inputs.values()), dynamic_shapes=free)
    except Exception as error:  # PyTorch raises whatever a graph leads to
        reason = f"{error}".strip().splitlines() or [type(error).__name__]
        raise DataError(
            f"the part {name!r} of this network cannot be recorded for batches and prompts of any size: "
            f"{reason[0]:.300}. TorchScript (monai.bundle ckpt_export) may still take it."
        ) from error
