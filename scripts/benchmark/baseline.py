"""The same network as the public code runs it: what every ratio of the benchmark is relative to.

naamiinepal/vlsm-adapter@d5b5a5e in our own words: all 12 vision layers with norm, pooling and projection behind them,
77 padded tokens for every image, eager attention, float32 or (on CUDA, as its recipe has it) float16 autocast. Frozen
weights and adapters are those of our network, so that both sides must give the same numbers.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from transformers import CLIPSegForImageSegmentation


class PublicAdapter(nn.Module):
    """The bottleneck of the public code: two linear layers, each with a ReLU behind it, and a residual."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` (..., D) to the same shape."""
        inside = nn.functional.relu(self.down(x))
        return x + nn.functional.relu(self.up(inside))


class PublicDenseAdapter(nn.Module):
    """Dense adapters V, L and C of the paper around an unchanged CLIPSeg of transformers.

    Args:
        model: frozen weights; copied.
        ours: trained tensors of our dense network by name; copied.
    """

    def __init__(self, model: CLIPSegForImageSegmentation, ours: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.model: Any = copy.deepcopy(model).requires_grad_(False).eval()
        for module in self.model.modules():
            if hasattr(module, "config"):
                module.config._attn_implementation = "eager"
        self.cond_adapter = PublicAdapter(*_sizes(ours, "cond_adapter"))
        for kind in ("vision", "text"):
            for place in ("attention", "mlp"):
                setattr(self, f"{kind}_{place}_adapters", self._adapters(ours, f"{kind}_{place}_adapters"))
        self.load_state_dict(ours, strict=False)
        self._hook("vision")
        self._hook("text")

    def forward(self, image: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Segment ``image`` (B, 3, H, W) by prompts of 77 tokens (B, 77); float32 logits (B, 1, H, W)."""
        clip = self.model.clip
        vision = clip.vision_model(image, output_hidden_states=True, interpolate_pos_encoding=True)
        clip.visual_projection(vision.pooler_output)
        read = [vision.hidden_states[index + 1] for index in self.model.extract_layers]
        text = clip.text_model(input_ids, attention_mask)
        embedding = self.cond_adapter(clip.text_projection(text.pooler_output))
        logits = self.model.decoder(read, embedding).logits
        return logits.view(len(image), 1, *image.shape[-2:]).float()

    def trained(self) -> dict[str, nn.Parameter]:
        """Return the trained tensors under the names that they have in our network."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def _adapters(self, ours: dict[str, torch.Tensor], name: str) -> nn.ModuleList:
        number = sum(key.startswith(f"{name}.") and key.endswith(".down.bias") for key in ours)
        return nn.ModuleList(PublicAdapter(*_sizes(ours, f"{name}.{index}")) for index in range(number))

    def _hook(self, kind: str) -> None:
        layers = getattr(self.model.clip, f"{kind}_model").encoder.layers
        behind_attention, behind_mlp = (getattr(self, f"{kind}_{place}_adapters") for place in ("attention", "mlp"))
        for layer, attention, mlp in zip(layers, behind_attention, behind_mlp, strict=False):
            layer.self_attn.out_proj.register_forward_hook(lambda _, __, output, adapter=attention: adapter(output))
            layer.mlp.fc2.register_forward_hook(lambda _, __, output, adapter=mlp: adapter(output))


def _sizes(ours: dict[str, torch.Tensor], name: str) -> tuple[int, int]:
    bottleneck, width = ours[f"{name}.down.weight"].shape
    return width, bottleneck
