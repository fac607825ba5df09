"""Prompt tuning: vectors learned among the tokens of a frozen CLIPSeg (CoOp, VPT, MaPLe as in TuneVLSeg)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

from monai_vlsm.networks.backbone import Backbone
from monai_vlsm.networks.blocks import (
    AppendContexts,
    ContextProjection,
    Contexts,
    ProjectedContexts,
    ReplaceBehindFirst,
    ReplaceLast,
)
from monai_vlsm.networks.blocks.hooks import Source
from monai_vlsm.networks.nets.base import CLIPSegNetwork
from monai_vlsm.networks.precision import AUTO
from monai_vlsm.rules import CONTEXTS, require_value, whole

FIRST_WORDS = "a photo of a"
"""Leaves room for a prompt within the tokens of CLIP."""
_PROJECTION_WIDTH = 64


class _PromptTunedCLIPSeg(CLIPSegNetwork):
    """A frozen CLIPSeg with learned contexts; the arguments are explained in its subclasses."""

    tuning_method: str

    def __init__(
        self,
        backbone: str | Backbone | None = None,
        contexts: int = 4,
        context_depth: int = 1,
        prompt: str = "",
        precision: str = AUTO,
    ) -> None:
        require_value(CONTEXTS, contexts, "contexts")
        settings = {"contexts": contexts, "context_depth": context_depth}
        super().__init__(backbone, prompt, self.tuning_method, settings, precision=precision)
        require_value(whole(1, self._deepest()), context_depth, "context_depth")
        self.number = contexts
        self._add_contexts(context_depth)

    def extra_repr(self) -> str:
        """Say how many contexts there are; what puts them in are hooks, which stand in no other line."""
        return f"{super().extra_repr()}\n{self.number} contexts at depth 0 to {self.settings['context_depth'] - 1}"

    def _deepest(self) -> int:
        """Return up to which depth contexts can matter."""
        raise NotImplementedError

    def _add_contexts(self, depth: int) -> None:
        raise NotImplementedError

    def _add_to_text(self, source: Source, depth: int) -> None:
        text = self.backbone.clip.text_model
        places = [text.embeddings.token_embedding, *text.encoder.layers]
        for index, place in enumerate(places[:depth]):
            place.register_forward_hook(ReplaceBehindFirst(source, index))

    def _add_to_vision(self, source: Source, depth: int) -> None:
        vision = self.backbone.clip.vision_model
        vision.embeddings.register_forward_hook(AppendContexts(source, 0))
        for index, layer in enumerate(vision.encoder.layers[: depth - 1], start=1):
            layer.register_forward_hook(ReplaceLast(source, index))

    def _text_contexts(self, depth: int) -> Contexts:
        """Return contexts of which the first are words, where the words have as many tokens."""
        contexts = Contexts(depth, self.number, self.backbone.config.text_config.hidden_size)
        words: Any = self.tokenizer and self.tokenizer(FIRST_WORDS, add_special_tokens=False)["input_ids"]
        if words and len(words) == self.number:
            embedded = self.backbone.clip.text_model.embeddings.token_embedding.weight[
                torch.tensor(words, device="cpu")
            ]
            with torch.no_grad():
                contexts.vectors[0] = embedded
        return contexts

    def _with_room(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens and mask (B, L + n) with places for contexts behind the start, cut to what the encoder reads.

        A text that is cut still ends in its end token, as TuneVLSeg has it.
        """
        config, start = self.backbone.config.text_config, input_ids[:, :1]
        longest, rooms = config.max_position_embeddings, start.expand(-1, self.number)
        ids = torch.cat((start, rooms, input_ids[:, 1:]), 1)
        mask = torch.cat((torch.ones_like(rooms), attention_mask), 1)
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            # A graph that is recorded must not depend on whether its example was cut.
            ids, mask = pad(ids, (0, longest)), pad(mask, (0, longest))
        ids, mask = ids[:, :longest], mask[:, :longest]
        is_highest = config.eos_token_id == 2  # as in end_of_text
        end = input_ids.amax(1, keepdim=True) if is_highest else torch.full_like(start, config.eos_token_id)
        return torch.cat((ids[:, :-1], end), 1), mask


class CLIPSegCoOp(_PromptTunedCLIPSeg):
    """Context Optimization: learned words between the start of a text and the prompt.

    Source: CoOp (arXiv 2109.01134) on CLIPSeg as in TuneVLSeg (arXiv 2410.05239). At the start the words are "a photo
    of a", where the tokenizer makes as many tokens of them: the network is CLIPSeg asked for "a photo of a PROMPT".

    The image is encoded by the untouched encoder: its states can be kept (``cache_features``), and shared by networks.

    Deviates: TuneVLSeg also trains a new output layer (1,602 parameters), which is part of no prompt tuning and is left
    out here, as in all of these methods (test_method_has_the_size_of_its_source).

    Args:
        contexts: number of words at a depth.
        context_depth: 1 has them among the tokens only; each further one replaces them behind one more layer.
        backbone, prompt, precision: see CLIPSegNetwork.

    Raises:
        DataError: if a number cannot be used, or the text encoder has fewer layers than ``context_depth``.
    """

    tuning_method = "coop"
    text_is_frozen = False

    def _deepest(self) -> int:
        return self.backbone.config.text_config.num_hidden_layers

    def _add_contexts(self, depth: int) -> None:
        self.text_contexts = self._text_contexts(depth)
        self._add_to_text(self.text_contexts, depth)

    def _read_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return super()._read_text(*self._with_room(input_ids, attention_mask))


class CLIPSegVPT(_PromptTunedCLIPSeg):
    """Visual Prompt Tuning: learned tokens behind the patches of the image, without positions.

    Source: VPT (arXiv 2203.12119) on CLIPSeg as in TuneVLSeg (arXiv 2410.05239): appended in front of the first norm of
    the vision encoder; they also pass through the decoder and are dropped behind it.

    The text encoder is untouched.

    Args:
        contexts: number of tokens at a depth.
        context_depth: 1 has them among the patches only; each further one replaces them behind one more layer.
        backbone, prompt, precision: see CLIPSegNetwork.

    Raises:
        DataError: if a number cannot be used, or the decoder reads no layer that deep.
    """

    tuning_method = "vpt"
    vision_is_frozen = False

    def _deepest(self) -> int:
        return self.extract_layers[-1] + 2

    def _add_contexts(self, depth: int) -> None:
        self.vision_contexts = Contexts(depth, self.number, self.backbone.config.vision_config.hidden_size)
        self._add_to_vision(self.vision_contexts, depth)


class CLIPSegMaPLe(CLIPSegCoOp):
    """Multi-modal Prompt Learning: the words of CoOp, and tokens of VPT made of them by a projection for each depth.

    Source: MaPLe (arXiv 2210.03117) on CLIPSeg as in TuneVLSeg (arXiv 2410.05239).

    Args:
        contexts: number of words, and of tokens, at a depth.
        context_depth: as in CLIPSegCoOp and CLIPSegVPT.
        backbone, prompt, precision: see CLIPSegNetwork.

    Raises:
        DataError: if a number cannot be used, or one of the encoders is not that deep.
    """

    tuning_method = "maple"
    vision_is_frozen = False

    def _deepest(self) -> int:
        return min(super()._deepest(), self.extract_layers[-1] + 2)

    def _add_contexts(self, depth: int) -> None:
        super()._add_contexts(depth)
        config = self.backbone.config
        widths = config.text_config.hidden_size, config.vision_config.hidden_size
        self.projections = nn.ModuleList(ContextProjection(*widths, _PROJECTION_WIDTH) for _ in range(depth))
        self._add_to_vision(ProjectedContexts(self.text_contexts, self.projections), depth)
