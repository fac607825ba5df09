"""Telescopic Adapters: dense ones that grow with depth, a fifth of the size of the paper's."""

from __future__ import annotations

import torch

from monai_vlsm.networks.blocks import BoundaryEnhancer, TelescopicAdapter
from monai_vlsm.networks.blocks.telescopic_adapter import LEAST_BOTTLENECK
from monai_vlsm.networks.nets.base import ImageFeatures
from monai_vlsm.networks.nets.clipseg import CLIPSegDenseAdapter
from monai_vlsm.rules import WIDTH, require_value

_TEXT_BLOCKS = 3


class CLIPSegTelescopicAdapter(CLIPSegDenseAdapter):
    """Telescopic Adapters: behind attention and MLP of vision blocks, wider the deeper, and of the last text blocks.

    Source: arXiv 2512.13855; sizes and places as in the released code (Ujjwal238/Telescopic_adapters@af6d0fe,
    infer_single.py). Vision block i of n has the bottleneck ``max(8, int(bottleneck * (i + 1) / n * 0.5))``, each of
    the last three text blocks ``max(8, bottleneck // 4)``.

    Parity: the text adapters are in the last three blocks of the encoder, as in the code.

    Args:
        bottleneck: what the sizes above follow from; None is the paper's 64.
        adapt_vision: adapters in the vision encoder.
        adapt_text: adapters in the text encoder.
        adapt_cond: one adapter on the embedding of the prompt.
        cond_bottleneck: hidden size of that one; None is the paper's 16.
        backbone, prompt, precision: see CLIPSegNetwork.

    Raises:
        DataError: if a size or switch is none, or the backbone cannot be used.
    """

    adapter_method = "telescopic"
    adapter_class = TelescopicAdapter
    paper_cond_bottleneck = 16

    def _decode(self, features: ImageFeatures, embedding: torch.Tensor) -> torch.Tensor:
        return self.boundary_enhancer(super()._decode(features, embedding))

    def _add_adapters(self, bottleneck: int, adapt_vision: bool, adapt_text: bool) -> None:
        require_value(WIDTH, bottleneck, "bottleneck")
        super()._add_adapters(bottleneck, adapt_vision, adapt_text)
        self.boundary_enhancer = BoundaryEnhancer()
        self.eval()  # a network is made for inference, in which nothing is dropped at random

    def _vision_sizes(self, bottleneck: int) -> list[int]:
        depth = self.extract_layers[-1]
        return [max(LEAST_BOTTLENECK, int(bottleneck * ((block + 1) / depth) * 0.5)) for block in range(depth)]

    def _text_sizes(self, bottleneck: int) -> list[int]:
        most = min(_TEXT_BLOCKS, self.extract_layers[-1], self.backbone.config.text_config.num_hidden_layers)
        return [max(LEAST_BOTTLENECK, bottleneck // 4)] * most

    @property
    def _first_text_block(self) -> int:
        return self.backbone.config.text_config.num_hidden_layers - len(self.text_mlp_adapters)
