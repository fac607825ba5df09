"""What all networks of this package are to those who use them: image and prompt in, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import torch
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.networks.backbone import Backbone
from monai_vlsm.networks.checkpoint import CHECKSUM_BYTES, install_checkpoint_hooks
from monai_vlsm.networks.facts import Facts
from monai_vlsm.networks.nets.computing import ComputingNetwork
from monai_vlsm.networks.text import tokenize


class ImageFeatures(NamedTuple):
    """What is known of an image before anything is asked of it."""

    states: tuple[torch.Tensor, ...]
    """One for each extracted layer, shallow first: a class token, then the patches row by row; each (B, 1 + h * w, D),
    longer where a method appends tokens. Of a network without text the logits (B, 1, H, W), alone."""
    grid: tuple[int, int]
    """Rows h and columns w of patches."""


class PromptedNetwork(ComputingNetwork):
    """Image and prompt in, logits out; subclasses say how.

    ``state_dict()`` leaves frozen tensors out. It holds what is trained, the default prompt, ``facts`` (method,
    settings, name and fingerprint of the backbone) and a ``checksum``, and ``load_state_dict()`` takes nothing else,
    even with ``strict=False``. What is exported, compiled or pickled holds everything.

    Args:
        source: whose tokenizer, image size and name count.
        prompt: what is segmented when no tokens are given.
        method: name in ``METHODS``, written into checkpoints.
        settings: arguments of the subclass, written into checkpoints.
    """

    reads_text = True
    """Whether the prompt matters."""
    unread: tuple[str, ...] = ()
    """How the names of tensors begin that count as trained although no result depends on them."""

    def __init__(self, source: Backbone, prompt: str, method: str, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.method, self.settings = method, dict(settings or {})
        self.backbone_name, self.backbone_fingerprint = source.name, source.fingerprint
        self.first_values_fingerprint = source.first_values_fingerprint
        self.image_size = source.image_size
        self.tokenizer = source.tokenizer
        self.vocabulary_size: int = source.model.config.text_config.vocab_size
        tokens = _default_tokens(source, prompt)
        self.default_input_ids = nn.Buffer(tokens["input_ids"])
        self.default_attention_mask = nn.Buffer(tokens["attention_mask"])
        self.facts = nn.Buffer(self.describe().encode())
        self.checksum = nn.Buffer(torch.zeros(CHECKSUM_BYTES, dtype=torch.uint8))
        install_checkpoint_hooks(self)

    def forward(
        self,
        image: torch.Tensor,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        states: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Segment what the prompt names.

        Args:
            image: (B, 3, H, W) float, upright, ImageNet-normalized; H and W multiples of the patch size.
            input_ids: (B, L) or (1, L) token ids of the prompts; the default prompt if None.
            attention_mask: 1 for tokens, 0 for padding, of the shape of ``input_ids``; all ones if None.
            states: what ``frozen_states`` gave for the image, which is then not encoded again.

        Returns:
            (B, 1, H, W) float32 logits.
        """
        if input_ids is None:
            input_ids, attention_mask = self.default_input_ids, self.default_attention_mask
        return self.decode(self.encode_image(image, states), self.encode_text(input_ids, attention_mask))

    def encode_image(self, image: torch.Tensor, states: torch.Tensor | None = None) -> ImageFeatures:
        """Compute of ``image`` (B, 3, H, W) what depends on no prompt; ``states`` as in forward."""
        raise NotImplementedError

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed prompts given as token ids (B, L) into (B, P)."""
        raise NotImplementedError

    def decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        """Turn image features and prompt embeddings (B, P) into (B, 1, H, W) float32 logits.

        Either batch may be 1: one prompt for all images, or one image for many prompts.
        """
        raise NotImplementedError

    @property
    def vision_is_frozen(self) -> bool:
        """Whether training leaves the vision encoder of CLIPSeg as it is, so that its states can be kept."""
        return False

    def frozen_states(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the untouched vision encoder makes of ``image`` (B, 3, H, W), for ``forward``.

        Returns:
            One state for each of the S extracted layers, shallow first, as (B, S, 1 + h * w, D).

        Raises:
            DataError: if the method trains something in the vision encoder, or has none.
        """
        raise DataError(
            f"the method {self.method!r} with these settings changes the vision encoder while it trains, so its "
            "states cannot be kept: choose a method that leaves it as it is, such as 'shallow' or 'decoder'."
        )

    def describe(self) -> Facts:
        """Return what a checkpoint says of this network."""
        return Facts(self.method, self.settings, self.backbone_name, self.backbone_fingerprint)

    def merged(self) -> Self:
        """Return what gives the same logits with the fewest layers, for export: the network itself for most methods."""
        return self

    def require_untouched(self) -> None:
        """Raise a DataError if a tensor that other networks read is trained or was overwritten."""

    def extra_repr(self) -> str:
        """Say what is trained on which backbone."""
        return f"method={self.method!r}, backbone={self.backbone_name!r}, image_size={self.image_size}"


def _default_tokens(source: Backbone, prompt: str) -> dict[str, torch.Tensor]:
    if source.tokenizer is not None:
        return tokenize(source.tokenizer, prompt)
    if prompt:
        raise DataError(f"the backbone {source.name!r} has no tokenizer for the prompt {prompt!r}: give token ids.")
    config = source.model.config.text_config
    ids = torch.tensor([[config.bos_token_id, config.eos_token_id]])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
