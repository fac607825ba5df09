"""VLSM-Adapter on a frozen CLIPSeg: the dense and the shallow network of the paper, and the fine-tuning baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.networks.backbone import Backbone
from monai_vlsm.networks.blocks import Adapter, AdapterHook
from monai_vlsm.networks.nets.base import CLIPSegNetwork
from monai_vlsm.networks.precision import AUTO
from monai_vlsm.networks.text import end_of_text
from monai_vlsm.rules import SWITCH, require_value


class _AdaptedCLIPSeg(CLIPSegNetwork):
    """A frozen CLIPSeg with adapters; the arguments are explained in its subclasses."""

    adapter_method: str
    adapter_class: type[nn.Module] = Adapter
    paper_bottleneck: int
    paper_cond_bottleneck = 256

    def __init__(
        self,
        backbone: str | Backbone | None = None,
        bottleneck: int | None = None,
        adapt_vision: bool = True,
        adapt_text: bool = True,
        adapt_cond: bool = True,
        cond_bottleneck: int | None = None,
        prompt: str = "",
        precision: str = AUTO,
    ) -> None:
        bottleneck = self.paper_bottleneck if bottleneck is None else bottleneck
        cond_bottleneck = self.paper_cond_bottleneck if cond_bottleneck is None else cond_bottleneck
        places = {"adapt_vision": adapt_vision, "adapt_text": adapt_text, "adapt_cond": adapt_cond}
        for name, value in places.items():
            require_value(SWITCH, value, name)
        settings = {"bottleneck": bottleneck, **places, "cond_bottleneck": cond_bottleneck}
        super().__init__(backbone, prompt, self.adapter_method, settings, precision=precision)
        width = self.backbone.config.projection_dim
        self.cond_adapter = self.adapter_class(width, cond_bottleneck) if adapt_cond else nn.Identity()
        self._add_adapters(bottleneck, adapt_vision, adapt_text)

    def extra_repr(self) -> str:
        """Say where the adapters are, which are hooks and stand in no other line."""
        places = [*self._adapted_places(), *(["the embedding of the prompt"] if self.settings["adapt_cond"] else [])]
        return f"{super().extra_repr()}\nadapters on {', '.join(places) or 'nothing'}"

    def _adapters(self, width: int, bottlenecks: Sequence[int]) -> nn.ModuleList:
        return nn.ModuleList(self.adapter_class(width, bottleneck) for bottleneck in bottlenecks)

    def _add_adapters(self, bottleneck: int, adapt_vision: bool, adapt_text: bool) -> None:
        raise NotImplementedError

    def _adapted_places(self) -> list[str]:
        raise NotImplementedError


class CLIPSegDenseAdapter(_AdaptedCLIPSeg):
    """Dense adapters (paper, Fig. 1c): behind attention and MLP of every block below the deepest extracted one.

    Source: arXiv 2405.06196. Parity: blocks 0 to 8 of 12 have adapters, as in the public code
    (naamiinepal/vlsm-adapter@d5b5a5e), though Fig. 1 says "each transformer block".

    ``state_dict()`` holds the adapters alone, see CLIPSegNetwork. Recipe of the paper: AdamW, learning rate 1e-3.

    Args:
        backbone: hub id, local folder, ``"tiny"`` or a Backbone; None is the default, see ``load_backbone``.
        bottleneck: hidden size of the adapters in the encoders; None is the paper's 64.
        adapt_vision: V of the paper; adapters in the vision encoder.
        adapt_text: L of the paper; adapters in the text encoder.
        adapt_cond: C of the paper; one adapter on the embedding of the prompt.
        cond_bottleneck: hidden size of the adapter on the embedding; None is the paper's 256.
        prompt: what is segmented when no tokens are given.
        precision: see CLIPSegNetwork.

    Raises:
        DataError: if a size or switch is none, or the backbone cannot be used.
    """

    adapter_method = "dense"
    paper_bottleneck = 64

    def _add_adapters(self, bottleneck: int, adapt_vision: bool, adapt_text: bool) -> None:
        clip, config = self.backbone.clip, self.backbone.config
        vision_sizes = self._vision_sizes(bottleneck) if adapt_vision else []
        text_sizes = self._text_sizes(bottleneck) if adapt_text else []
        self.vision_attention_adapters = self._adapters(config.vision_config.hidden_size, vision_sizes)
        self.vision_mlp_adapters = self._adapters(config.vision_config.hidden_size, vision_sizes)
        self.text_attention_adapters = self._adapters(config.text_config.hidden_size, text_sizes)
        self.text_mlp_adapters = self._adapters(config.text_config.hidden_size, text_sizes)
        text_layers = clip.text_model.encoder.layers[self._first_text_block :]
        self._insert(clip.vision_model.encoder.layers, self.vision_attention_adapters, self.vision_mlp_adapters)
        self._insert(text_layers, self.text_attention_adapters, self.text_mlp_adapters)

    def _vision_sizes(self, bottleneck: int) -> list[int]:
        """Return the bottleneck in each vision block that has adapters, from the first on."""
        return [bottleneck] * self.extract_layers[-1]

    def _text_sizes(self, bottleneck: int) -> list[int]:
        """Return the bottleneck in each text block that has adapters."""
        return [bottleneck] * min(self.extract_layers[-1], self.backbone.config.text_config.num_hidden_layers)

    @property
    def _first_text_block(self) -> int:
        return 0

    def _adapted_places(self) -> list[str]:
        places = (("vision", 0, self.vision_mlp_adapters), ("text", self._first_text_block, self.text_mlp_adapters))
        return [
            f"attention and MLP of {encoder} blocks {first} to {first + len(adapters) - 1}"
            for encoder, first, adapters in places
            if adapters
        ]

    @property
    def vision_is_frozen(self) -> bool:
        """Whether there is no adapter in the vision encoder."""
        return super().vision_is_frozen and not self.vision_mlp_adapters

    def _insert(self, layers: Any, attention_adapters: nn.ModuleList, mlp_adapters: nn.ModuleList) -> None:
        for layer, behind_attention, behind_mlp in zip(layers, attention_adapters, mlp_adapters, strict=False):
            layer.self_attn.out_proj.register_forward_hook(AdapterHook(behind_attention))
            layer.mlp.fc2.register_forward_hook(AdapterHook(behind_mlp))

    @property
    def text_is_frozen(self) -> bool:
        """Whether there is no adapter in the text encoder."""
        return not self.text_mlp_adapters and super().text_is_frozen

    def _adapt_text(self, read: torch.Tensor) -> torch.Tensor:
        return self.cond_adapter(super()._adapt_text(read))


class CLIPSegShallowAdapter(_AdaptedCLIPSeg):
    """Shallow adapters (paper, Fig. 1b): on what the decoder reads, the encoders stay as they are.

    One adapter per extracted vision state, one on the embedding of the prompt, and one per text state of the same depth
    at the end of the text, all added to the embedding.

    ``state_dict()`` holds the adapters alone, see CLIPSegNetwork. Recipe of the paper: AdamW, learning rate 3e-4.

    Args:
        bottleneck: hidden size of the adapters on vision and text states; None is the paper's 512.
        adapt_vision: V of the paper; adapters on the extracted vision states.
        adapt_text: L of the paper; adapters on the text states of the same depth.
        adapt_cond: C of the paper; one adapter on the embedding of the prompt.
        cond_bottleneck: hidden size of the adapter on the embedding; None is the paper's 256.
        backbone, prompt, precision: see CLIPSegNetwork.

    Raises:
        DataError: if ``adapt_text`` and the text states of the backbone are not as wide as its embedding, or too few.
    """

    adapter_method = "shallow"
    paper_bottleneck = 512

    def _add_adapters(self, bottleneck: int, adapt_vision: bool, adapt_text: bool) -> None:
        config, number = self.backbone.config, len(self.extract_layers)
        if adapt_text:
            self._require_fitting_text_states()
        vision_sizes, text_sizes = ([bottleneck] * (number if adapt else 0) for adapt in (adapt_vision, adapt_text))
        self.vision_adapters = self._adapters(config.vision_config.hidden_size, vision_sizes)
        self.text_adapters = self._adapters(config.text_config.hidden_size, text_sizes)

    def _adapted_places(self) -> list[str]:
        numbers = {"vision": len(self.vision_adapters), "text": len(self.text_adapters)}
        blocks = ", ".join(map(str, self.extract_layers))
        return [f"what {encoder} blocks {blocks} give" for encoder, number in numbers.items() if number]

    def _require_fitting_text_states(self) -> None:
        text, width = self.backbone.config.text_config, self.backbone.config.projection_dim
        if text.hidden_size != width:
            raise DataError(
                f"adapt_text needs text states as wide as the embedding, this backbone has {text.hidden_size} and "
                f"{width}: choose adapt_text=False or CLIPSegDenseAdapter."
            )
        if text.num_hidden_layers <= self.extract_layers[-1]:
            raise DataError(
                f"adapt_text reads the text states {list(self.extract_layers)}, this backbone has only "
                f"{text.num_hidden_layers}: choose adapt_text=False or CLIPSegDenseAdapter."
            )

    def _adapt_states(self, states: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        if not self.vision_adapters:
            return states
        return tuple(adapter(state) for adapter, state in zip(self.vision_adapters, states, strict=True))

    def _read_text(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        if not self.text_adapters:
            return super()._read_text(input_ids, attention_mask)
        clip = self.backbone.clip
        output = clip.text_model(input_ids, attention_mask, output_hidden_states=True)
        rows = torch.arange(input_ids.shape[0], device=input_ids.device)  # len() would fix the size in an export
        last = end_of_text(input_ids, self.backbone.config.text_config)
        states = [output.hidden_states[index + 1][rows, last] for index in self.extract_layers]
        return torch.stack((clip.text_projection(output.pooler_output), *states), dim=1)

    def _adapt_text(self, read: torch.Tensor) -> torch.Tensor:
        embedding = self.cond_adapter(super()._adapt_text(read))
        for index, adapter in enumerate(self.text_adapters, start=1):
            # Parity: behind the adapter on the embedding, and with the residual: raw text states go in.
            embedding = embedding + adapter(read[:, index])
        return embedding


class CLIPSegFineTune(CLIPSegNetwork):
    """The baselines without adapters.

    Args:
        mode: ``"zero_shot"`` trains nothing, ``"decoder"`` the decoder (what the public "end-to-end" baseline really
            did), ``"full"`` everything. In ``"full"`` the parts that the decoder never reads (the last vision blocks,
            pooling, projection of the image) count as trainable but get no gradient: use DistributedDataParallel
            with ``find_unused_parameters=True``.
        backbone, prompt, precision: see CLIPSegNetwork.

    Raises:
        DataError: if ``mode`` is none of these.
    """

    def __init__(
        self,
        backbone: str | Backbone | None = None,
        mode: Literal["zero_shot", "decoder", "full"] = "zero_shot",
        prompt: str = "",
        precision: str = AUTO,
    ) -> None:
        if mode not in ("zero_shot", "decoder", "full"):
            raise DataError(f"mode must be 'zero_shot', 'decoder' or 'full', not {mode!r}.")
        super().__init__(
            backbone,
            prompt,
            method=mode,
            trained=lambda name: mode == "full" or (mode == "decoder" and name.startswith("decoder.")),
            whole=mode == "full",
            precision=precision,
        )
