"""How a network computes: in which type, compiled or not, and with how much memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from torch import nn

from monai_vlsm.networks.compiling import require_choice, run_compiled, wants_compiling
from monai_vlsm.networks.precision import AUTO, compute_type, require_precision


class ComputingNetwork(nn.Module):
    """A network that computes in the precision it is asked for; results depend on nothing else here."""

    def __init__(self) -> None:
        super().__init__()
        self.precision = AUTO
        self.compiling: bool | str = False

    @property
    def compute_type(self) -> torch.dtype:
        """The type in which the network multiplies, by its precision and its device."""
        weight = self._float32_weight
        # A network that was cast by hand, for example with half(), computes in what it was cast to.
        return compute_type(self.precision, weight.device) if weight.dtype == torch.float32 else weight.dtype

    def set_precision(self, precision: str) -> Self:
        """Compute in another precision from now on; see the class for what there is.

        Raises:
            DataError: if there is no such precision.
        """
        require_precision(precision)
        self.precision = precision
        self._hold_frozen()
        return self

    def set_compiling(self, choice: bool | str) -> Self:
        """Compile the encoders when they first run, a minute's work; ``"auto"`` does so on GPUs only.

        Raises:
            DataError: if ``choice`` is not true, false or ``"auto"``.
        """
        require_choice(choice)
        self.compiling = choice
        return self

    def save_memory(self) -> Self:
        """Keep of each layer only what goes in, while training; the gradient computes the layer a second time."""
        raise NotImplementedError

    @property
    def _float32_weight(self) -> torch.Tensor:
        """A weight that stays float32 in every precision."""
        raise NotImplementedError

    def _run(self, part: Callable[..., Any], *inputs: Any) -> Any:
        device = self._float32_weight.device
        return run_compiled(part, self, *inputs) if wants_compiling(self.compiling, device) else part(self, *inputs)

    def _casting(self) -> AbstractContextManager:
        """Let PyTorch cast what meets the weights, unless all is of one type."""
        weight, compute = self._float32_weight, self.compute_type
        return nullcontext() if compute == weight.dtype else torch.autocast(weight.device.type, compute)

    def _hold_frozen(self) -> None:
        """Hold the frozen weights, if there are any, in the type of the computation."""
