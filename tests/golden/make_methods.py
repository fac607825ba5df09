"""Write methods.safetensors: what telescopic, coop, vpt and maple must give on a small CLIPSeg.

Origin of the values: the methods as the public code of each has them (Ujjwal238/Telescopic_adapters@af6d0fe,
infer_single.py; naamiinepal/tunevlseg@0379e92, src/models/core_models/coop), written out as plain matrix products.
Neither monai_vlsm nor a forward of transformers takes part; see make_golden.py, on which this stands.

In ``tests``, run ``python -m golden.make_methods`` only if a method itself changes; otherwise a difference is a fault.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from golden.make_golden import WrittenOut, fill, small_config, small_inputs, small_model, written_out_loss
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPSegConfig

METHODS_FILE = Path(__file__).with_name("methods.safetensors")
SETTINGS: dict[str, dict[str, int]] = {
    "telescopic": {"bottleneck": 70, "cond_bottleneck": 16},
    "coop": {"contexts": 3, "context_depth": 3},
    "vpt": {"contexts": 2, "context_depth": 5},
    "maple": {"contexts": 3, "context_depth": 2},
}
GRADIENTS = {
    "telescopic": (
        "vision_attention_adapters.0.scale",
        "vision_mlp_adapters.2.up.weight",
        "text_attention_adapters.0.norm.bias",
        "text_mlp_adapters.2.down.weight",
        "cond_adapter.scale",
        "boundary_enhancer.layers.0.weight",
    ),
    "coop": ("text_contexts.vectors",),
    "vpt": ("vision_contexts.vectors",),
    "maple": ("text_contexts.vectors", "projections.0.down.bias", "projections.1.norm.weight"),
}
HIDDEN = 64
"""Width between words and tokens of MaPLe."""


def method_tensors(method: str, config: CLIPSegConfig) -> dict[str, torch.Tensor]:
    """Return the trained tensors of a method under our names, filled by the formula."""
    shapes = _telescopic_shapes(config) if method == "telescopic" else _context_shapes(method, config)
    holder = nn.ParameterDict({name.replace(".", "/"): nn.Parameter(torch.empty(shapes[name])) for name in shapes})
    fill(holder, method)
    return {name.replace("/", "."): tensor.detach() for name, tensor in holder.items()}


def _telescopic_shapes(config: CLIPSegConfig) -> dict[str, tuple[int, ...]]:
    vision, text, base = config.vision_config.hidden_size, config.text_config.hidden_size, SETTINGS["telescopic"]
    depth = max(config.extract_layers)
    # 70 at a third, two thirds and all of the depth, halved: 11, 23, 35; a quarter of the 32 channels is 8.
    places = {f"vision_{part}_adapters.{block}": (vision, 8) for part in ("attention", "mlp") for block in range(depth)}
    places |= {f"text_{part}_adapters.{block}": (text, 8) for part in ("attention", "mlp") for block in range(3)}
    places["cond_adapter"] = (config.projection_dim, min(base["cond_bottleneck"], 8))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (width, size) in places.items():
        shapes |= {f"{name}.scale": (1,), f"{name}.down.weight": (size, width), f"{name}.up.weight": (width, size)}
        shapes |= {f"{name}.norm.weight": (size,), f"{name}.norm.bias": (size,)}
    enhancer = {"0.weight": (4, 1, 3, 3), "1.weight": (4,), "1.bias": (4,), "3.weight": (1, 4, 1, 1)}
    return shapes | {f"boundary_enhancer.layers.{name}": shape for name, shape in enhancer.items()}


def _context_shapes(method: str, config: CLIPSegConfig) -> dict[str, tuple[int, ...]]:
    vision, text = config.vision_config.hidden_size, config.text_config.hidden_size
    depth, number = SETTINGS[method]["context_depth"], SETTINGS[method]["contexts"]
    if method == "vpt":
        return {"vision_contexts.vectors": (depth, number, vision)}
    shapes: dict[str, tuple[int, ...]] = {"text_contexts.vectors": (depth, number, text)}
    for index in range(depth if method == "maple" else 0):
        parts = {"down.weight": (HIDDEN, text), "down.bias": (HIDDEN,), "up.weight": (vision, HIDDEN)}
        parts |= {"norm.weight": (vision,), "norm.bias": (vision,)}
        shapes |= {f"projections.{index}.{part}": shape for part, shape in parts.items()}
    return shapes


class _Telescopic(WrittenOut):
    def logits(self, *inputs: torch.Tensor) -> torch.Tensor:
        logits = super().logits(*inputs)
        place = "boundary_enhancer.layers."
        x = F.conv2d(logits, self.adapters[place + "0.weight"], padding=1)
        # The running mean and variance of an untrained batch norm are 0 and 1.
        scale, shift = (self.adapters[f"{place}1.{part}"].view(1, 4, 1, 1) for part in ("weight", "bias"))
        x = x / (1 + 1e-5) ** 0.5 * scale + shift
        x = F.conv2d(x * torch.sigmoid(x), self.adapters[place + "3.weight"])
        return logits + torch.sigmoid(x) * logits

    def adapt(self, name: str, x: torch.Tensor) -> torch.Tensor:
        if name.startswith("text"):  # the last three of five layers
            place, _, layer = name.rpartition(".")
            name = f"{place}.{int(layer) - 2}"
        if f"{name}.scale" not in self.adapters:
            return x
        h = x @ self.adapters[f"{name}.down.weight"].T
        h = (h - h.mean(-1, keepdim=True)) / torch.sqrt(h.var(-1, correction=0, keepdim=True) + 1e-5)
        h = h * self.adapters[f"{name}.norm.weight"] + self.adapters[f"{name}.norm.bias"]
        return x + self.adapters[f"{name}.scale"] * ((h * torch.sigmoid(h)) @ self.adapters[f"{name}.up.weight"].T)


class _Contexts(WrittenOut):
    """Contexts in the text, in the image, or in both, by the tensors that are there."""

    def embedding(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        if "text_contexts.vectors" not in self.adapters:
            return super().embedding(input_ids, attention_mask)
        place, config = "clip.text_model.", self.config.text_config
        words = self.weights[place + "embeddings.token_embedding.weight"][input_ids]
        contexts = self.adapters["text_contexts.vectors"][0].expand(len(words), -1, -1)
        hidden = torch.cat((words[:, :1], contexts, words[:, 1:]), 1)
        number, length = contexts.shape[1], hidden.shape[1]
        hidden = hidden + self.weights[place + "embeddings.position_embedding.weight"][:length]
        seen = torch.cat((torch.ones(len(words), number).bool(), attention_mask.bool()), 1)
        mask = torch.where(torch.ones(length, length).tril().bool() & seen[:, None, None], 0.0, float("-inf"))
        last_state = self.encode("text", hidden, mask, config)[-1]
        rows, last = torch.arange(len(words)), (input_ids == config.eos_token_id).int().argmax(1) + number
        return (
            self.norm(place + "final_layer_norm", last_state)[rows, last]
            @ self.weights["clip.text_projection.weight"].T
        )

    def embedded(self, kind: str, hidden: torch.Tensor) -> torch.Tensor:
        tokens = self.vision_tokens(0)
        return hidden if tokens is None else torch.cat((hidden, tokens.expand(len(hidden), -1, -1)), 1)

    def behind_layer(self, kind: str, index: int, hidden: torch.Tensor) -> torch.Tensor:
        hidden = hidden.clone()
        words = self.adapters.get("text_contexts.vectors", torch.empty(0))
        if kind == "text" and index + 1 < len(words):
            hidden[:, 1 : 1 + words.shape[1]] = words[index + 1]
        tokens = self.vision_tokens(index + 1)
        if kind == "vision" and tokens is not None:
            hidden[:, -len(tokens) :] = tokens
        return hidden

    def vision_tokens(self, depth: int) -> torch.Tensor | None:
        if "vision_contexts.vectors" in self.adapters:
            tokens = self.adapters["vision_contexts.vectors"]
            return tokens[depth] if depth < len(tokens) else None
        place = f"projections.{depth}"
        if f"{place}.up.weight" not in self.adapters:
            return None
        x = self.adapters["text_contexts.vectors"][depth] @ self.adapters[f"{place}.down.weight"].T
        x = (x + self.adapters[f"{place}.down.bias"]).relu() @ self.adapters[f"{place}.up.weight"].T
        x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, correction=0, keepdim=True) + 1e-5)
        return x * self.adapters[f"{place}.norm.weight"] + self.adapters[f"{place}.norm.bias"]


def main() -> None:
    """Compute and write the file."""
    config, model = small_config(), small_model(small_config()).double()
    inputs: dict[str, Any] = {
        name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in small_inputs().items()
    }
    values = {}
    for method in SETTINGS:
        tensors = {name: tensor.double().requires_grad_() for name, tensor in method_tensors(method, config).items()}
        written_out = (_Telescopic if method == "telescopic" else _Contexts)(model, tensors)
        logits = written_out.logits(inputs["image"], inputs["input_ids"], inputs["attention_mask"])
        loss = written_out_loss(logits, inputs["mask"])
        loss.backward()
        values |= {f"{method}/logits": logits.detach(), f"{method}/loss": loss.detach()}
        values |= {f"{method}/grad/{name}": tensors[name].grad for name in GRADIENTS[method]}
    floats = {name: tensor.float().contiguous() for name, tensor in values.items()}
    save_file(floats, METHODS_FILE, metadata={"origin": "tests/golden/make_methods.py"})


if __name__ == "__main__":
    main()
