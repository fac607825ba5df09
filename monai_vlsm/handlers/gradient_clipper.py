"""Keep the norm of the gradient in bounds, also under mixed precision."""

from __future__ import annotations

from ignite.engine import Engine
from monai.engines import IterationEvents
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer


class GradientClipper:
    """Scale the gradients of all parameters of an optimizer down to a common norm before each of its steps.

    Args:
        optimizer: whose parameters are clipped.
        max_norm: largest Euclidean norm of all gradients together; 0.5 in the paper's recipe.
    """

    def __init__(self, optimizer: Optimizer, max_norm: float) -> None:
        self.optimizer = optimizer
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Run after every backward pass of the trainer ``engine``."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Clip, after undoing the loss scaling of mixed precision."""
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], self.max_norm)
