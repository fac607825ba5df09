"""Both sides with the same weights and inputs, and whether they give the same numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from baseline import PublicDenseAdapter
from bench import Bench, NotMeasured, SidesDifferError
from monai.losses import DiceCELoss
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from monai_vlsm.networks import Backbone, build_network, load_backbone, load_tokenizer, trained_parameters
from monai_vlsm.networks.nets import PromptedNetwork

TOKENS = 16
"""Tokens of a prompt, of which the published ones have 14 to 26 on average, set by set."""
LOGITS_TOLERANCES = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}
"""Norm of the difference to the baseline in float32, relative to the norm."""
GRADIENT_TOLERANCE = 1e-2
"""The same for each adapter tensor, in float32: a ReLU whose input is almost 0 may fall to either side."""


@cache
def backbone(toy: bool) -> Backbone:
    """Return the shipped tiny backbone, or one of the paper's size with random weights and the tokens of the tiny one.

    Speed and memory do not depend on the values of weights; they keep the variance, so that numbers can be compared.
    """
    if toy:
        return load_backbone("tiny")
    tokenizer = load_tokenizer("tiny")
    config = CLIPSegConfig(
        vision_config={"patch_size": 16},
        text_config={name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")},
        reduce_dim=64,
        use_complex_transposed_convolution=True,
    )
    with torch.device("meta"):
        model = CLIPSegForImageSegmentation(config)
    model = model.to_empty(device="cpu").eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            bound = 0.02 if parameter.ndim < 2 else math.sqrt(3 / math.prod(parameter.shape[1:]))
            parameter.uniform_(-bound, bound).add_(float("norm" in name and name.endswith("weight")))
        for _, buffer in model.named_buffers():
            buffer.copy_(torch.arange(buffer.numel()).expand_as(buffer))
    return Backbone("random weights of the paper's size", model, tokenizer)


def build_ours(bench: Bench, precision: str, method: str = "dense", **options: Any) -> PromptedNetwork:
    """Return our network on the device; ``options`` are further arguments of ``build_network``."""
    missing = sorted(options.keys() - inspect.signature(build_network).parameters.keys())
    if missing:
        raise NotMeasured(f"networks of this version have no {missing[0]!r}")
    frozen = backbone(bench.toy)
    torch.manual_seed(1)
    return build_network(method, frozen, precision=precision, **options).to(bench.device)


def build_baseline(bench: Bench) -> PublicDenseAdapter:
    """Return the public way of running our dense network, on the device."""
    ours = build_ours(replace(bench, device="cpu"), "float32")
    trained = {name: tensor.detach() for name, tensor in ours.named_parameters() if tensor.requires_grad}
    return PublicDenseAdapter(backbone(bench.toy).model, trained).to(bench.device)


def inputs(bench: Bench, batch_size: int) -> dict[str, torch.Tensor]:
    """Return images (B, 3, H, W), a prompt of 77 tokens for each (B, 77), and masks (B, 1, H, W) of 0 and 1."""
    generator = torch.Generator().manual_seed(2)
    text = backbone(bench.toy).model.config.text_config
    size = (bench.image_size, bench.image_size)
    input_ids = torch.full((batch_size, text.max_position_embeddings), text.eos_token_id)
    input_ids[:, 0] = text.bos_token_id
    input_ids[:, 1 : TOKENS - 1] = torch.randint(100, 1000, (batch_size, TOKENS - 2), generator=generator)
    attention_mask = torch.zeros_like(input_ids)
    attention_mask[:, :TOKENS] = 1
    label = torch.zeros(batch_size, 1, *size)
    label[..., : bench.image_size // 2, : bench.image_size // 3] = 1
    made = {
        "image": torch.randn(batch_size, 3, *size, generator=generator),
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "label": label,
    }
    return {name: tensor.to(bench.device) for name, tensor in made.items()}


def autocast(bench: Bench, precision: str) -> AbstractContextManager:
    """Return what the baseline runs in: on CUDA in float16, as the paper's recipe, against our reduced precisions."""
    if bench.device == "cuda" and precision != "float32":
        return torch.autocast("cuda", torch.float16)
    return nullcontext()


def forward(network: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the logits."""
    return network(batch["image"], batch["input_ids"], batch["attention_mask"])


def training_step(
    bench: Bench, network: torch.nn.Module, precision: str, batch_size: int, is_baseline: bool = False
) -> Callable[[], torch.Tensor]:
    """Return a step of training: forward, DiceCE loss, backward and AdamW, in float16 with loss scaling."""
    trained = trained_parameters(network.train())
    fused = bench.device == "cuda" and not is_baseline  # as train.json has it
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=1e-3, fused=fused)
    loss_function = DiceCELoss(sigmoid=True, lambda_dice=1.5, lambda_ce=1.0)
    batch = inputs(bench, batch_size)
    half = precision != "float32" if is_baseline and bench.device == "cuda" else precision == "float16"
    scaler = torch.amp.GradScaler(bench.device, enabled=half)

    def step() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        with autocast(bench, precision) if is_baseline else nullcontext():
            loss = loss_function(forward(network, batch), batch["label"])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return step


def require_same_numbers(
    bench: Bench, ours: torch.nn.Module, public: torch.nn.Module, precision: str, batch_size: int = 2
) -> None:
    """Compare with the baseline in float32: the logits, and in float32 also the gradient of every adapter tensor.

    Raises:
        SidesDifferError: if they differ by more than the tolerances.
    """
    a, b = (_numbers(bench, network, batch_size) for network in (ours, public))
    for name in b if precision == "float32" else ("logits",):
        difference = float((a[name] - b[name]).norm() / b[name].norm()) if name in a else math.inf
        allowed = LOGITS_TOLERANCES[precision] if name == "logits" else GRADIENT_TOLERANCE
        if not difference <= allowed:
            raise SidesDifferError(
                f"The two sides differ in {name} by {difference:.2g} of its norm, {allowed:g} is allowed in "
                f"{precision}: nothing was measured."
            )


def _numbers(bench: Bench, network: torch.nn.Module, batch_size: int) -> dict[str, torch.Tensor]:
    batch = inputs(bench, batch_size)
    logits = forward(network, batch)
    DiceCELoss(sigmoid=True)(logits, batch["label"]).backward()
    numbers = {name: p.grad.float() for name, p in network.named_parameters() if p.grad is not None}
    network.zero_grad(set_to_none=True)
    return {"logits": logits.detach().float(), **numbers}
