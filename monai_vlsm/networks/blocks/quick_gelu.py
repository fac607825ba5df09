"""The activation of CLIP, with one tensor kept for the gradient instead of two."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.activations import QuickGELUActivation

_SLOPE = 1.702


class _QuickGELU(torch.autograd.Function):
    """``x * sigmoid(1.702 x)``, of which only ``x`` is kept; the sigmoid is computed again."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return torch.sigmoid(x * _SLOPE).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        # With z = 1.702 x it is silu(z) / 1.702, whose slope by x is that of silu at z.
        return torch.ops.aten.silu_backward(gradient, x * _SLOPE)


class QuickGELU(QuickGELUActivation):
    """QuickGELU (Hendrycks and Gimpel, 2016) as transformers computes it, leaner where a gradient is wanted.

    The width of an MLP is four times that of the layer, so this is the largest part of what a layer keeps.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map ``input`` of any shape to the same shape."""
        if not input.requires_grad or torch.jit.is_tracing() or torch.compiler.is_compiling():
            return super().forward(input)
        return _QuickGELU.apply(input)


def keep_less_for_gradients(model: nn.Module) -> None:
    """Replace the activations in ``model`` by ones that keep less; they have no weights."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is QuickGELUActivation:
                setattr(module, name, QuickGELU())
