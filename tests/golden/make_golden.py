"""Write networks.safetensors: what both adapter networks must give on a small CLIPSeg.

Origin of the values: the method of the paper (arXiv 2405.06196, Fig. 1b and 1c; blocks, activations and residuals as in
naamiinepal/vlsm-adapter@d5b5a5e), written out below as plain matrix products on the tensors of the model. Neither
monai_vlsm nor a forward of transformers takes part. The weights follow from a formula, not from a random generator,
so that they are the same with every version of torch.

Run ``python tests/golden/make_golden.py`` only if the method itself changes; otherwise a difference is a fault.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

GOLDEN_FILE = Path(__file__).with_name("networks.safetensors")
BOTTLENECK = {"dense": 6, "shallow": 10}
COND_BOTTLENECK = 8
GRADIENTS = {
    "dense": (
        "vision_attention_adapters.0.down.weight",
        "vision_mlp_adapters.2.up.bias",
        "text_attention_adapters.1.up.weight",
        "text_mlp_adapters.0.down.bias",
        "cond_adapter.down.weight",
    ),
    "shallow": (
        "vision_adapters.0.down.weight",
        "vision_adapters.2.up.bias",
        "text_adapters.1.up.weight",
        "text_adapters.2.down.bias",
        "cond_adapter.up.weight",
    ),
}


def small_config(vision: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **top: Any) -> CLIPSegConfig:
    """Return the smallest CLIPSeg that has all parts of the real one."""
    vision_config = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": 16,
    }
    text_config = {
        "hidden_size": 24,
        "intermediate_size": 40,
        "num_hidden_layers": 5,
        "num_attention_heads": 2,
        "vocab_size": 64,
        "max_position_embeddings": 77,
        "bos_token_id": 62,
        "eos_token_id": 63,
        "pad_token_id": 63,
    }
    options = {
        "projection_dim": 24,
        "reduce_dim": 16,
        "extract_layers": [1, 2, 3],
        "decoder_num_attention_heads": 2,
        "decoder_intermediate_size": 32,
        "use_complex_transposed_convolution": True,
    }
    return CLIPSegConfig(
        vision_config=vision_config | (vision or {}), text_config=text_config | (text or {}), **(options | top)
    )


def small_model(config: CLIPSegConfig, salt: str = "") -> CLIPSegForImageSegmentation:
    """Build a CLIPSeg whose weights follow from their names; another ``salt`` gives other weights."""
    model = CLIPSegForImageSegmentation(config).eval()
    fill(model, salt)
    return model


@torch.no_grad()
def fill(module: nn.Module, salt: str = "") -> None:
    """Set every parameter to a wave whose phase is the hash of its name, so large that prompt and adapters matter."""
    for name, parameter in module.named_parameters():
        phase = zlib.crc32(f"{salt}{name}".encode()) % 100_000
        wave = torch.sin((torch.arange(parameter.numel(), dtype=torch.float64) + phase) * 12.9898).view_as(parameter)
        if parameter.ndim < 2:
            is_norm = "norm" in name and name.endswith("weight")
            parameter.copy_(float(is_norm) + 0.2 * wave)
        else:
            is_upsampling = parameter.ndim == 4 and "transposed" in name and parameter.shape[-1] != 3
            fan_in = parameter.shape[0] if is_upsampling else math.prod(parameter.shape[1:])
            parameter.copy_(wave * (1.0 if "embeddings" in name else math.sqrt(4 / fan_in)))


def small_inputs() -> dict[str, torch.Tensor]:
    """Two images, two prompts of different length with padding, and two masks."""
    wave = torch.sin(torch.arange(2 * 3 * 64 * 64, dtype=torch.float64) * 0.37).view(2, 3, 64, 64).float()
    input_ids = torch.tensor([[62, 7, 31, 4, 15, 63, 63, 63], [62, 20, 63, 63, 63, 63, 63, 63]])
    attention_mask = torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0]])
    mask = torch.zeros(2, 1, 64, 64)
    mask[0, :, 10:40, 20:50] = 1
    mask[1, :, 40:60, 5:30] = 1
    return {"image": wave, "input_ids": input_ids, "attention_mask": attention_mask, "mask": mask}


def adapter_shapes(kind: str, config: CLIPSegConfig) -> dict[str, tuple[int, int]]:
    """Return width and bottleneck of every adapter by its name."""
    vision, text = config.vision_config.hidden_size, config.text_config.hidden_size
    size, depth = BOTTLENECK[kind], max(config.extract_layers)
    shapes = {"cond_adapter": (config.projection_dim, COND_BOTTLENECK)}
    if kind == "dense":
        for place in ("attention", "mlp"):
            shapes |= {f"vision_{place}_adapters.{index}": (vision, size) for index in range(depth)}
            shapes |= {f"text_{place}_adapters.{index}": (text, size) for index in range(depth)}
    else:
        for index in range(len(config.extract_layers)):
            shapes |= {f"vision_adapters.{index}": (vision, size), f"text_adapters.{index}": (text, size)}
    return shapes


def adapter_tensors(kind: str, config: CLIPSegConfig) -> dict[str, torch.Tensor]:
    """Return the tensors of all adapters, filled by the formula."""
    holder = nn.ParameterDict()
    tensors = {}
    for name, (width, bottleneck) in adapter_shapes(kind, config).items():
        for part, rows, columns in (("down", bottleneck, width), ("up", width, bottleneck)):
            tensors[f"{name}.{part}.weight"] = torch.empty(rows, columns)
            tensors[f"{name}.{part}.bias"] = torch.empty(rows)
    for name, tensor in tensors.items():
        holder[name.replace(".", "/")] = nn.Parameter(tensor)
    fill(holder)
    return tensors


class WrittenOut:
    """The method as plain matrix products; ``adapters`` by name, a place without one is left as it is."""

    def __init__(self, model: CLIPSegForImageSegmentation, adapters: dict[str, torch.Tensor]) -> None:
        self.config = model.config
        self.weights = dict(model.named_parameters())
        self.adapters = adapters

    def logits(self, image: torch.Tensor, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = [
            self.adapt(f"vision_adapters.{index}", state) for index, state in enumerate(self.vision_states(image))
        ]
        embedding = self.embedding(input_ids, attention_mask)
        hidden = torch.zeros(())
        for index, state in enumerate(reversed(states)):
            hidden = hidden + self.linear(f"decoder.reduces.{index}", state)
            if index == self.config.conditional_layer:
                scale, shift = (self.linear(f"decoder.film_{part}", embedding)[:, None] for part in ("mul", "add"))
                hidden = hidden * scale + shift
            hidden = self.decoder_layer(f"decoder.layers.{index}", hidden)
        grid = image.shape[-1] // self.config.vision_config.patch_size
        return self.upsample(hidden[:, 1 : 1 + grid**2].transpose(1, 2).unflatten(2, (grid, grid)))

    def vision_states(self, image: torch.Tensor) -> list[torch.Tensor]:
        place = "clip.vision_model."
        config = self.config.vision_config
        pixels = F.conv2d(image, self.weights[place + "embeddings.patch_embedding.weight"], stride=config.patch_size)
        first = self.weights[place + "embeddings.class_embedding"].expand(len(image), 1, -1)
        hidden = torch.cat((first, pixels.flatten(2).transpose(1, 2)), 1)
        hidden = self.embedded("vision", hidden + self.weights[place + "embeddings.position_embedding.weight"])
        hidden = self.norm(place + "pre_layrnorm", hidden)
        mask = torch.zeros(())
        states = self.encode("vision", hidden, mask, config)
        return [states[index] for index in self.config.extract_layers]

    def embedding(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        place = "clip.text_model."
        length = input_ids.shape[1]
        hidden = self.weights[place + "embeddings.token_embedding.weight"][input_ids]
        hidden = hidden + self.weights[place + "embeddings.position_embedding.weight"][:length]
        seen = torch.ones(length, length).tril().bool() & attention_mask[:, None, None].bool()
        mask = torch.where(seen, 0.0, float("-inf"))
        states = self.encode("text", hidden, mask, self.config.text_config)
        rows, last = torch.arange(len(input_ids)), input_ids.argmax(1)
        pooled = self.norm(place + "final_layer_norm", states[-1])[rows, last]
        embedding = self.adapt("cond_adapter", pooled @ self.weights["clip.text_projection.weight"].T)
        for index, layer in enumerate(self.config.extract_layers):
            if f"text_adapters.{index}.up.bias" in self.adapters:
                embedding = embedding + self.adapt(f"text_adapters.{index}", states[layer][rows, last])
        return embedding

    def encode(self, kind: str, hidden: torch.Tensor, mask: torch.Tensor, config: Any) -> list[torch.Tensor]:
        states = []
        for index in range(config.num_hidden_layers):
            place = f"clip.{kind}_model.encoder.layers.{index}"
            inside = self.attention(place, self.norm(f"{place}.layer_norm1", hidden), mask, config.num_attention_heads)
            hidden = hidden + self.adapt(f"{kind}_attention_adapters.{index}", inside)
            inside = self.linear(f"{place}.mlp.fc1", self.norm(f"{place}.layer_norm2", hidden))
            inside = self.linear(f"{place}.mlp.fc2", inside * torch.sigmoid(1.702 * inside))
            hidden = self.behind_layer(kind, index, hidden + self.adapt(f"{kind}_mlp_adapters.{index}", inside))
            states.append(hidden)
        return states

    def embedded(self, kind: str, hidden: torch.Tensor) -> torch.Tensor:
        """What goes into an encoder."""
        return hidden

    def behind_layer(self, kind: str, index: int, hidden: torch.Tensor) -> torch.Tensor:
        """What a layer of an encoder hands on."""
        return hidden

    def decoder_layer(self, place: str, hidden: torch.Tensor) -> torch.Tensor:
        inside = self.attention(place, hidden, torch.zeros(()), self.config.decoder_num_attention_heads)
        hidden = self.norm(f"{place}.layer_norm1", hidden + inside)
        inside = self.linear(f"{place}.mlp.fc2", self.linear(f"{place}.mlp.fc1", hidden).relu())
        return self.norm(f"{place}.layer_norm2", hidden + inside)

    def attention(self, place: str, x: torch.Tensor, mask: torch.Tensor, heads: int) -> torch.Tensor:
        query, key, value = (
            self.linear(f"{place}.self_attn.{part}_proj", x).unflatten(2, (heads, -1)).transpose(1, 2) for part in "qkv"
        )
        weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1]) + mask).softmax(-1)
        return self.linear(f"{place}.self_attn.out_proj", (weights @ value).transpose(1, 2).flatten(2))

    def upsample(self, x: torch.Tensor) -> torch.Tensor:
        place = "decoder.transposed_convolution"
        weight, bias = ([self.weights[f"{place}.{index}.{part}"] for index in (0, 2, 4)] for part in ("weight", "bias"))
        x = F.conv2d(x, weight[0], bias[0], padding=1).relu()
        stride = self.config.vision_config.patch_size // 4
        x = F.conv_transpose2d(x, weight[1], bias[1], stride=stride).relu()
        return F.conv_transpose2d(x, weight[2], bias[2], stride=stride)

    def adapt(self, name: str, x: torch.Tensor) -> torch.Tensor:
        if f"{name}.up.bias" not in self.adapters:
            return x
        down, up = ([self.adapters[f"{name}.{part}.{kind}"] for kind in ("weight", "bias")] for part in ("down", "up"))
        return x + F.linear(F.linear(x, *down).relu(), *up).relu()

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, correction=0, keepdim=True) + 1e-5)
        return x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def written_out_logits(
    model: CLIPSegForImageSegmentation, adapters: dict[str, torch.Tensor], inputs: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Compute (B, 1, H, W) logits without transformers' or our forward; ``adapters`` under our names."""
    return WrittenOut(model, adapters).logits(inputs["image"], inputs["input_ids"], inputs["attention_mask"])


def written_out_loss(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Compute 1.5 Dice + 1.0 cross entropy, averaged over the batch, as MONAI's DiceCELoss defines it."""
    probability = logits.sigmoid()
    overlap, total = ((x).sum((2, 3)) for x in (probability * mask, probability + mask))
    dice = 1 - (2 * overlap + 1e-5) / (total + 1e-5)
    return 1.5 * dice.mean() + F.binary_cross_entropy_with_logits(logits, mask)


def main() -> None:
    """Compute and write the file."""
    config, model = small_config(), small_model(small_config()).double()
    inputs = {
        name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in small_inputs().items()
    }
    values = {}
    for kind in ("dense", "shallow"):
        adapters = {name: tensor.double().requires_grad_() for name, tensor in adapter_tensors(kind, config).items()}
        logits = written_out_logits(model, adapters, inputs)
        loss = written_out_loss(logits, inputs["mask"])
        loss.backward()
        values |= {f"{kind}/logits": logits.detach(), f"{kind}/loss": loss.detach()}
        values |= {f"{kind}/grad/{name}": adapters[name].grad for name in GRADIENTS[kind]}
    save_file(
        {name: tensor.float().contiguous() for name, tensor in values.items()},
        GOLDEN_FILE,
        metadata={"origin": "tests/golden/make_golden.py"},
    )


if __name__ == "__main__":
    main()
