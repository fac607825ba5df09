"""Image and prompt through a CLIPSeg whose frozen tensors all networks of a process share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, Self

import torch
from monai.data import MetaTensor
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.networks.backbone import Backbone, load_backbone
from monai_vlsm.networks.blocks import KeptPositions, KeptTexts, keep_less_for_gradients
from monai_vlsm.networks.nets.prompted import ImageFeatures, PromptedNetwork
from monai_vlsm.networks.precision import AUTO, cast_norms_once, hold_type
from monai_vlsm.networks.sharing import SharingGuard, convert_in_place, hold_in, shared_parameters
from monai_vlsm.networks.text import end_of_text


class CLIPSegNetwork(PromptedNetwork):
    """A CLIPSeg; subclasses say what is adapted or trained. See PromptedNetwork for how it is used and saved.

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
        super().__init__(source, prompt, method, settings)
        self.backbone: Any = source.copy(trained)
        self.extract_layers = tuple(sorted(self.backbone.config.extract_layers))
        self._texts = KeptTexts()
        if whole:
            self.unread = tuple(self._unread_names())
        else:
            self._drop_unread_parts()
        self._compute_leanly()
        self._sharing = SharingGuard(self.backbone)
        self.require_untouched()
        self.set_precision(precision)

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

    @property
    def text_is_frozen(self) -> bool:
        """Whether training leaves the text encoder as it is, so that it makes the same of a prompt every time."""
        if self.backbone.clip.text_model.config.attention_dropout and self.training:
            return False
        return not any(parameter.requires_grad for parameter in self._text_parameters())

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
            return super().frozen_states(image)
        self._grid(image)
        with self._casting():
            return torch.stack(self._extract_states(image), dim=1).to(self.compute_type)

    def encode_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Embed prompts given as token ids (B, L) into (B, P), P being the width of the projection.

        Equal prompts are encoded once, and once for all calls where the text encoder is frozen. They are cut to the
        longest end of text: tokens behind it cannot be seen by it. Tokens may stay on the CPU: then no GPU is waited
        for to know that. While a graph is recorded for export none of this is done, because it depends on the values.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        with self._casting():
            if torch.jit.is_tracing() or torch.compiler.is_compiling():
                return self._embed_text(input_ids, attention_mask)
            rows, inverse = torch.unique(torch.stack((input_ids, attention_mask), 1), dim=0, return_inverse=True)
            if self.text_is_frozen:
                embedding = self._adapt_text(self._known_texts().of_all(rows, self._read_cut_text, self._casts_to()))
            else:
                embedding = self._run(type(self)._embed_text, *self._cut(*rows.unbind(1)))
            return embedding[inverse.to(embedding.device, non_blocking=True)]

    def decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        """Turn image features and prompt embeddings (B, P) into (B, 1, H, W) float32 logits.

        Either batch may be 1: one prompt for all images, or one image for many prompts.

        Deviates: CLIPSegDecoder.forward reshapes the patches to a square; this composes its layers for any grid
        (test_decoder_equals_transformers_on_squares).
        """
        self.require_untouched()
        with self._casting():
            return self._decode(features, embedding).float()

    def own_copy(self) -> Self:
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

    def save_memory(self) -> Self:
        """Keep of each layer only what goes in, while training; the gradient computes the layer a second time."""
        self.backbone.gradient_checkpointing_enable({"use_reentrant": False})
        return self

    def _decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        decoder = self.backbone.decoder
        hidden: torch.Tensor | None = None
        for index, state in enumerate(reversed(features.states)):
            reduced = decoder.reduces[index](state)
            hidden = reduced if hidden is None else reduced + hidden
            if index == decoder.conditional_layer:
                hidden = decoder.film_mul(embedding)[:, None] * hidden + decoder.film_add(embedding)[:, None]
            hidden = decoder.layers[index](hidden, None)
        height, width = features.grid
        patches = hidden[:, 1 : 1 + height * width].transpose(1, 2)  # type: ignore[index]
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
        return self._adapt_text(self._read_text(input_ids, attention_mask))

    def _read_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return what the text encoder makes of prompts (B, L) and what is adapted, (B, S, P); here the embedding."""
        output = self.backbone.clip.text_model(input_ids, attention_mask)
        return self.backbone.clip.text_projection(output.pooler_output)[:, None]

    def _adapt_text(self, read: torch.Tensor) -> torch.Tensor:
        """Turn what was read of prompts (B, S, P) into their embeddings (B, P)."""
        return read[:, 0]

    def _read_cut_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self._read_text(*self._cut(input_ids, attention_mask))

    def _text_parameters(self) -> Iterator[nn.Parameter]:
        clip = self.backbone.clip
        return chain(clip.text_model.parameters(), clip.text_projection.parameters())

    def _known_texts(self) -> KeptTexts:
        """Return what is kept of prompts; nothing where the frozen tensors may be overwritten, as in ``own_copy()``."""
        tensors = self._text_parameters()
        shared = all(getattr(parameter, "shared_tensor", None) is not None for parameter in tensors)
        return self._texts if shared else KeptTexts()

    def _casts_to(self) -> torch.dtype | None:
        """Return the type in which PyTorch computes just now, asked by this network or by its caller, if it casts."""
        device = self.default_input_ids.device.type
        return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None

    def _cut(self, *tokens: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield ids and mask (B, L), cut to the longest end of text, on the device of the network."""
        length = int(end_of_text(tokens[0], self.backbone.config.text_config).max()) + 1
        device = self.default_input_ids.device
        return (part[:, :length].to(device, non_blocking=True) for part in tokens)

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

    def _unread_names(self) -> list[str]:
        """Tell how the names begin of what the decoder never reads, where it is built."""
        layers = range(self.extract_layers[-1] + 1, self.backbone.config.vision_config.num_hidden_layers)
        parts = [f"vision_model.encoder.layers.{layer}." for layer in layers]
        parts += ["vision_model.post_layernorm.", "visual_projection.", "logit_scale"]
        return [f"backbone.clip.{part}" for part in parts]

    def _drop_unread_parts(self) -> None:
        clip = self.backbone.clip
        clip.vision_model.encoder.layers = clip.vision_model.encoder.layers[: self.extract_layers[-1] + 1]
        clip.vision_model.post_layernorm = nn.Identity()
        clip.visual_projection = nn.Identity()
        del clip.logit_scale

    def _compute_leanly(self) -> None:
        clip = self.backbone.clip
        keep_less_for_gradients(self.backbone)
        for encoder in (clip.vision_model, clip.text_model):
            cast_norms_once(encoder)
        clip.vision_model.embeddings.interpolate_pos_encoding = KeptPositions(clip.vision_model.embeddings)

    @property
    def _float32_weight(self) -> torch.Tensor:
        return self.backbone.clip.vision_model.pre_layrnorm.weight

    def _hold_frozen(self) -> None:
        compute = self.compute_type
        self._texts.forget()
        if self._float32_weight.dtype == torch.float32:
            hold_in(self.backbone, lambda module: hold_type(self.backbone, module, compute))
        self._sharing = SharingGuard(self.backbone)

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
