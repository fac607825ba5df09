"""The activations of CLIPSeg and its adapters, with less kept for the gradient."""

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
        return (x * _SLOPE).sigmoid_().mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        # With z = 1.702 x it is silu(z) / 1.702, whose slope by x is that of silu at z.
        return torch.ops.aten.silu_backward(gradient, x * _SLOPE)


class _ReLU(torch.autograd.Function):
    """``max(x, 0)``, of which only is kept where it is not 0: a byte each."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        result = torch.relu(x)
        ctx.save_for_backward(result > 0)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (is_on,) = ctx.saved_tensors
        # In place of torch.where, which takes a CPU twice as long.
        return torch.ops.aten.threshold_backward(gradient, is_on, 0)


def relu(x: torch.Tensor) -> torch.Tensor:
    """Return ``max(x, 0)`` where no layer that follows needs it for its own gradient."""
    return _ReLU.apply(x) if _is_kept(x) else torch.relu(x)


class QuickGELU(QuickGELUActivation):
    """QuickGELU (Hendrycks and Gimpel, 2016) as transformers computes it, leaner where a gradient is wanted.

    The width of an MLP is four times that of the layer, so this is the largest part of what a layer keeps.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map ``input`` of any shape to the same shape."""
        return _QuickGELU.apply(input) if _is_kept(input) else super().forward(input)


class ReLU(nn.ReLU):
    """PyTorch's ReLU, leaner where a gradient is wanted."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map ``input`` of any shape to the same shape."""
        return relu(input)


_LEANER: dict[type[nn.Module], type[nn.Module]] = {QuickGELUActivation: QuickGELU, nn.ReLU: ReLU}


def keep_less_for_gradients(model: nn.Module) -> None:
    """Replace the activations in ``model`` by ones that keep less; they have no weights."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) in _LEANER:
                setattr(module, name, _LEANER[type(child)]())


def _is_kept(x: torch.Tensor) -> bool:
    """Tell whether PyTorch would keep something of ``x``; compilers decide that by themselves."""
    return x.requires_grad and not torch.jit.is_tracing() and not torch.compiler.is_compiling()
