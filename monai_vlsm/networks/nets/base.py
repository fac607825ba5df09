"""Image and prompt through a CLIPSeg whose frozen tensors all networks of a process share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from monai.data import MetaTensor
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.networks.backbone import Backbone, load_backbone
from monai_vlsm.networks.checkpoint import CHECKSUM_BYTES, install_checkpoint_hooks
from monai_vlsm.networks.facts import Facts
from monai_vlsm.networks.nets.computing import ComputingCLIPSeg
from monai_vlsm.networks.precision import AUTO
from monai_vlsm.networks.sharing import SharingGuard, convert_in_place, shared_parameters
from monai_vlsm.networks.text import end_of_text, tokenize


class ImageFeatures(NamedTuple):
    """What the decoder reads of an image: one state per extracted layer, shallow first."""

    states: tuple[torch.Tensor, ...]
    """A class token, then the patches row by row; each (B, 1 + h * w, D)."""
    grid: tuple[int, int]
    """Rows h and columns w of patches."""


class CLIPSegNetwork(ComputingCLIPSeg):
    """Image and prompt in, logits out; subclasses say what is adapted or trained.

    ``state_dict()`` leaves the frozen tensors out. It holds what is trained, the default prompt, ``facts`` (method,
    settings, name and fingerprint of the backbone) and a ``checksum``, and ``load_state_dict()`` takes nothing else,
    even with ``strict=False``. What is exported, compiled or pickled holds everything.

    The frozen tensors are in memory once for all networks of a process, ``copy.deepcopy`` included. Training one of
    them by hand is a DataError in ``forward`` and ``state_dict``; ``own_copy()`` gives a network where it is allowed.

    The vision layers behind the last one that the decoder reads are not run, and where nothing in them is
    trained they are not built either; the same holds for the pooling and the projection of the image.

    Args:
        backbone: hub id, local folder, ``"tiny"`` or a Backbone; None is the default, see ``load_backbone``.
        prompt: what is segmented when no tokens are given.
        method: name in ``METHODS``, written into checkpoints.
        settings: arguments of the subclass, written into checkpoints.
        trained: tells by the name of a tensor of the backbone whether it is trained.
        whole: build also what the decoder never reads.
        precision: ``"float32"``, ``"bfloat16"``, ``"float16"``, or ``"auto"`` for the fastest that its device computes
            natively, see ``compute_type``. Frozen weights are held in it; what is trained, its gradients and the logits
            are float32. No checkpoint depends on it.
    """

    def __init__(
        self,
        backbone: str | Backbone | None,
        prompt: str,
        method: str,
        settings: Mapping[str, Any] | None = None,
        trained: Callable[[str], bool] = lambda name: False,
        whole: bool = False,
        precision: str = AUTO,
    ) -> None:
        source = load_backbone(backbone)
        super().__init__(source.copy(trained))
        self.method, self.settings = method, dict(settings or {})
        self.backbone_name, self.backbone_fingerprint = source.name, source.fingerprint
        self.first_values_fingerprint = source.first_values_fingerprint
        self.image_size = source.image_size
        self.tokenizer = source.tokenizer
        self.extract_layers = tuple(sorted(self.backbone.config.extract_layers))
        if not whole:
            self._drop_unread_parts()
        self.require_untouched()
        self.set_precision(precision)
        tokens = self._default_tokens(prompt)
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
        """Run the vision encoder on ``image`` (B, 3, H, W) as far as the decoder reads it; ``states`` as in forward."""
        self.require_untouched()
        image = image.as_tensor() if isinstance(image, MetaTensor) else image
        grid = self._grid(image)
        with self._casting():
            extracted = self._extract_states(image) if states is None else states.unbind(1)
            return ImageFeatures(self._adapt_states(extracted), grid)

    @property
    def vision_is_frozen(self) -> bool:
        """Whether training leaves the vision encoder as it is, so that its states can be kept."""
        return not any(parameter.requires_grad for parameter in self.backbone.clip.vision_model.parameters())

    @torch.no_grad()
    def frozen_states(self, image: torch.Tensor) -> torch.Tensor:
        """Return what the untouched vision encoder makes of ``image`` (B, 3, H, W), for ``forward``.

        Returns:
            One state for each of the S extracted layers, shallow first, as (B, S, 1 + h * w, D).

        Raises:
            DataError: if the method trains something in the vision encoder.
        """
        self.require_untouched()
        if not self.vision_is_frozen:
            raise DataError(
                f"the method {self.method!r} with these settings changes the vision encoder while it trains, so its "
                "states cannot be kept: choose a method that leaves it as it is, such as 'shallow' or 'decoder'."
            )
        self._grid(image)
        with self._casting():
            return torch.stack(self._extract_states(image), dim=1).to(self.compute_type)

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed prompts given as token ids (B, L) into (B, P), P being the width of the projection.

        Equal prompts are encoded once, and all are cut to the longest end of text: tokens behind it cannot be seen
        by it. Tokens may stay on the CPU: then no GPU is waited for to know that. While a graph is recorded for export
        neither is done, because both depend on the values.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        with self._casting():
            if torch.jit.is_tracing() or torch.compiler.is_compiling():
                return self._embed_text(input_ids, attention_mask)
            rows, inverse = torch.unique(torch.stack((input_ids, attention_mask), 1), dim=0, return_inverse=True)
            input_ids, attention_mask = rows.unbind(1)
            length = int(end_of_text(input_ids, self.backbone.config.text_config).max()) + 1
            device = self.default_input_ids.device
            tokens = (ids[:, :length].to(device, non_blocking=True) for ids in (input_ids, attention_mask))
            return self._run(type(self)._embed_text, *tokens)[inverse.to(device, non_blocking=True)]

    def decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        """Turn image features and prompt embeddings (B, P) into (B, 1, H, W) float32 logits.

        Either batch may be 1: one prompt for all images, or one image for many prompts.

        Deviates: CLIPSegDecoder.forward reshapes the patches to a square; this composes its layers for any grid
        (test_decoder_equals_transformers_on_squares).
        """
        self.require_untouched()
        with self._casting():
            return self._decode(features, embedding).float()

    def describe(self) -> Facts:
        """Return what a checkpoint says of this network."""
        return Facts(self.method, self.settings, self.backbone_name, self.backbone_fingerprint)

    def own_copy(self) -> CLIPSegNetwork:
        """Return a copy that shares no memory: its frozen tensors may be unfrozen and trained by hand.

        ``state_dict()`` of it holds what is unfrozen at that moment, and is loaded by a copy with the same unfrozen.
        """
        copied = copy.deepcopy(self)
        # What will be trained must not be rounded to the type of the computation.
        copied.set_precision("float32").precision = self.precision
        for module, name, parameter in shared_parameters(copied):
            module._parameters[name] = nn.Parameter(parameter.detach().clone(), requires_grad=False)
        copied._sharing = SharingGuard(copied.backbone)
        return copied

    def require_untouched(self) -> None:
        """Raise a DataError if a tensor that other networks read is trained or was overwritten."""
        # A recorded graph reads the tensors as they are; whoever records it has run this before.
        if not torch.jit.is_tracing() and not torch.compiler.is_compiling():
            self._sharing.require_untouched()

    def extra_repr(self) -> str:
        """Say what is trained on which backbone."""
        return f"method={self.method!r}, backbone={self.backbone_name!r}, image_size={self.image_size}"

    def _decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        decoder = self.backbone.decoder
        hidden: torch.Tensor | None = None
        for index, state in enumerate(reversed(features.states)):
            reduced = decoder.reduces[index](state)
            hidden = reduced if hidden is None else reduced + hidden
            if index == decoder.conditional_layer:
                hidden = decoder.film_mul(embedding)[:, None] * hidden + decoder.film_add(embedding)[:, None]
            hidden = decoder.layers[index](hidden, None)
        patches = hidden[:, 1:].transpose(1, 2)  # type: ignore[index]
        return decoder.transposed_convolution(patches.unflatten(2, features.grid))

    def _extract_states(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        vision = self.backbone.clip.vision_model
        hidden = vision.pre_layrnorm(vision.embeddings(image, interpolate_pos_encoding=True))
        return self._run(CLIPSegNetwork._run_vision_layers, hidden)

    def _run_vision_layers(self, hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        states = []
        for index, layer in enumerate(self.backbone.clip.vision_model.encoder.layers[: self.extract_layers[-1] + 1]):
            hidden = layer(hidden, None)
            if index in self.extract_layers:
                states.append(hidden)
        return tuple(states)

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
            nearest = " x ".join(str(max(patch, round(size / patch) * patch)) for size in (height, width))
            raise DataError(
                f"height and width of the image must be multiples of {patch} pixels, not {height} x {width}. "
                f"The nearest are {nearest}; the backbone was trained on {self.image_size} x {self.image_size}."
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
        for _, _, parameter in shared_parameters(self):
            memo[id(parameter)] = parameter.shared_tensor.view().requires_grad_(parameter.requires_grad)  # type: ignore
        copied = memo[id(self)] = type(self).__new__(type(self))
        copied.__setstate__(copy.deepcopy(vars(self), memo))
        return copied

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> CLIPSegNetwork:
        """Move or cast the network; shared tensors are converted into new ones, because other networks read them."""
        apply_to_rest = super()._apply
        convert_in_place(self, fn, lambda: apply_to_rest(fn, recurse))
        self._hold_frozen()
        return self
