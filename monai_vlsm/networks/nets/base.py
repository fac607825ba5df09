"""Image and prompt through a CLIPSeg whose frozen tensors all networks of a process share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from monai.data import MetaTensor
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.networks.backbone import Backbone, convert_shared, load_backbone, shared_parameters
from monai_vlsm.networks.checkpoint import fingerprint_tensor, install_checkpoint_hooks
from monai_vlsm.networks.text import end_of_text, tokenize


class ImageFeatures(NamedTuple):
    """What the decoder reads of an image: one state per extracted layer, shallow first."""

    states: tuple[torch.Tensor, ...]
    """Each (B, 1 + h * w, D): a class token, then the patches row by row."""
    grid: tuple[int, int]
    """Rows h and columns w of patches."""


class CLIPSegNetwork(nn.Module):
    """Image and prompt in, logits out; subclasses say what is adapted or trained.

    The vision layers behind the last one that the decoder reads are not run, and where nothing in them is
    trained they are not built either; the same holds for the pooling and the projection of the image.
    """

    def __init__(
        self,
        backbone: str | Backbone | None,
        prompt: str,
        trained: Callable[[str], bool] = lambda name: False,
        whole: bool = False,
    ) -> None:
        super().__init__()
        source = load_backbone(backbone)
        self.backbone_name = source.name
        self.image_size = source.image_size
        self.tokenizer = source.tokenizer
        self.backbone: Any = source.copy(trained)
        self.extract_layers = tuple(sorted(self.backbone.config.extract_layers))
        if not whole:
            self._drop_unread_parts()
        tokens = self._default_tokens(prompt)
        self.default_input_ids = nn.Buffer(tokens["input_ids"])
        self.default_attention_mask = nn.Buffer(tokens["attention_mask"])
        self.backbone_fingerprint = nn.Buffer(fingerprint_tensor(source))
        install_checkpoint_hooks(self)

    def forward(
        self,
        image: torch.Tensor,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Segment what the prompt names.

        Args:
            image: (B, 3, H, W) float, upright, ImageNet-normalised; H and W multiples of the patch size.
            input_ids: (B, L) or (1, L) token ids of the prompts; the default prompt if None.
            attention_mask: 1 for tokens, 0 for padding, of the shape of ``input_ids``; all ones if None.

        Returns:
            (B, 1, H, W) float32 logits.
        """
        if input_ids is None:
            input_ids, attention_mask = self.default_input_ids, self.default_attention_mask
        return self.decode(self.encode_image(image), self.encode_text(input_ids, attention_mask))

    def encode_image(self, image: torch.Tensor) -> ImageFeatures:
        """Run the vision encoder on ``image`` (B, 3, H, W) as far as the decoder reads it."""
        image = image.as_tensor() if isinstance(image, MetaTensor) else image
        vision = self.backbone.clip.vision_model
        grid = self._grid(image)
        hidden = vision.pre_layrnorm(vision.embeddings(image, interpolate_pos_encoding=True))
        states = []
        for index, layer in enumerate(vision.encoder.layers[: self.extract_layers[-1] + 1]):
            hidden = layer(hidden, None)
            if index in self.extract_layers:
                states.append(hidden)
        return ImageFeatures(self._adapt_states(tuple(states)), grid)

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed prompts given as token ids (B, L) into (B, P), P being the width of the projection.

        Equal prompts are encoded once, and all are cut to the longest end of text: tokens behind it cannot be seen
        by it. While a graph is recorded for export neither is done, because both depend on the values.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            return self._embed_text(input_ids, attention_mask)
        rows, inverse = torch.unique(torch.stack((input_ids, attention_mask), 1), dim=0, return_inverse=True)
        input_ids, attention_mask = rows.unbind(1)
        length = int(end_of_text(input_ids, self.backbone.config.text_config).max()) + 1
        return self._embed_text(input_ids[:, :length], attention_mask[:, :length])[inverse]

    def decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        """Turn image features and prompt embeddings (B, P) into (B, 1, H, W) float32 logits.

        Either batch may be 1: one prompt for all images, or one image for many prompts.

        Deviates: CLIPSegDecoder.forward reshapes the patches to a square; this composes its layers for any grid
        (test_decoder_equals_transformers_on_squares).
        """
        decoder = self.backbone.decoder
        hidden: torch.Tensor | None = None
        for index, state in enumerate(reversed(features.states)):
            reduced = decoder.reduces[index](state)
            hidden = reduced if hidden is None else reduced + hidden
            if index == decoder.conditional_layer:
                hidden = decoder.film_mul(embedding)[:, None] * hidden + decoder.film_add(embedding)[:, None]
            hidden = decoder.layers[index](hidden, None)
        patches = hidden[:, 1:].transpose(1, 2)  # type: ignore[index]
        return decoder.transposed_convolution(patches.unflatten(2, features.grid)).float()

    def _embed_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        output = self.backbone.clip.text_model(input_ids, attention_mask)
        return self.backbone.clip.text_projection(output.pooler_output)

    def _default_tokens(self, prompt: str) -> dict[str, torch.Tensor]:
        if self.tokenizer is not None:
            return tokenize(self.tokenizer, prompt)
        if prompt:
            raise DataError(
                f"the backbone {self.backbone_name!r} has no tokenizer for the prompt {prompt!r}: give token ids."
            )
        config = self.backbone.config.text_config
        ids = torch.tensor([[config.bos_token_id, config.eos_token_id]])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    def _adapt_states(self, states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return states

    def _grid(self, image: torch.Tensor) -> tuple[int, int]:
        patch = self.backbone.config.vision_config.patch_size
        height, width = image.shape[-2:]
        if height % patch or width % patch:
            raise DataError(
                f"height and width of the image must be multiples of {patch} pixels, not {height} x {width}."
            )
        return int(height // patch), int(width // patch)

    def _drop_unread_parts(self) -> None:
        clip = self.backbone.clip
        clip.vision_model.encoder.layers = clip.vision_model.encoder.layers[: self.extract_layers[-1] + 1]
        clip.vision_model.post_layernorm = nn.Identity()
        clip.visual_projection = nn.Identity()
        del clip.logit_scale

    def __deepcopy__(self, memo: dict[int, Any]) -> CLIPSegNetwork:
        """Copy what is trained; the frozen tensors stay shared, as between all networks of the process."""
        memo.update({id(parameter): parameter for _, _, parameter in shared_parameters(self)})
        copied = memo[id(self)] = type(self).__new__(type(self))
        copied.__setstate__(copy.deepcopy(vars(self), memo))
        return copied

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> CLIPSegNetwork:
        """Move or cast the network; shared tensors are converted aside, because other networks read them too."""
        held = shared_parameters(self)
        converted = [convert_shared(parameter, fn) for _, _, parameter in held]
        for module, name, _ in held:
            module._parameters[name] = None
        try:
            super()._apply(fn, recurse)
        finally:
            for (module, name, _), parameter in zip(held, converted, strict=True):
                module._parameters[name] = parameter
        return self
