"""Refuse a run in which something that should be trained is not."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine, Events
from monai.engines import IterationEvents
from torch import nn

from monai_vlsm.errors import DataError


class GradientCheck:
    """After the first backward pass of a run, make sure that every trained tensor of a network has a gradient.

    Only whether there is one is looked at, not its values: no device is waited for. A gradient of 0 is one, as in the
    first step of LoRA.

    Args:
        network: to be trained, or a parallel one around it. What one of :mod:`monai_vlsm.networks` says to be
            ``unread`` is left out.

    Raises:
        DataError: in that step, if a tensor has none; it names the first.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network: Any = getattr(network, "module", network)
        self._is_done = False

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self._check)

    def _begin(self) -> None:
        self._is_done = False

    def _check(self) -> None:
        if self._is_done:
            return
        self._is_done = True
        unread: tuple[str, ...] = getattr(self.network, "unread", ())
        without = [
            name
            for name, parameter in self.network.named_parameters()
            if parameter.requires_grad and parameter.grad is None and not name.startswith(unread)
        ]
        if without:
            raise DataError(
                f"{without[0]!r} is to be trained, but got no gradient in the first step, and {len(without) - 1} other "
                "tensors neither: the logits do not depend on them, or were computed without gradients. Nothing would "
                f"be learned there. Look at what the forward pass of {type(self.network).__name__} does with it."
            )
