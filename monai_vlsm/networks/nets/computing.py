"""How a CLIPSeg computes: in which type, compiled or not, and with how much memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self

import torch
from torch import nn

from monai_vlsm.networks.blocks import KeptPositions, keep_less_for_gradients
from monai_vlsm.networks.compiling import require_choice, run_compiled, wants_compiling
from monai_vlsm.networks.precision import AUTO, cast_norms_once, compute_type, hold_type, require_precision
from monai_vlsm.networks.sharing import SharingGuard, hold_in


class ComputingCLIPSeg(nn.Module):
    """A CLIPSeg that computes in the precision it is asked for; results depend on nothing else here.

    Args:
        backbone: modules of CLIPSeg.
    """

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.precision = AUTO
        self.compiling: bool | str = False
        keep_less_for_gradients(backbone)
        for encoder in (backbone.clip.vision_model, backbone.clip.text_model):
            cast_norms_once(encoder)
        embeddings = backbone.clip.vision_model.embeddings
        embeddings.interpolate_pos_encoding = KeptPositions(embeddings)
        self._sharing = SharingGuard(backbone)

    @property
    def compute_type(self) -> torch.dtype:
        """The type in which the network multiplies, by its precision and its device."""
        norm = self._norm_weight
        # A network that was cast by hand, for example with half(), computes in what it was cast to.
        return compute_type(self.precision, norm.device) if norm.dtype == torch.float32 else norm.dtype

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
        """Compile both encoders when they first run, a minute's work; ``"auto"`` does so on GPUs only.

        Raises:
            DataError: if ``choice`` is not true, false or ``"auto"``.
        """
        require_choice(choice)
        self.compiling = choice
        return self

    def save_memory(self) -> Self:
        """Keep of each layer only what goes in, while training; the gradient computes the layer a second time."""
        self.backbone.gradient_checkpointing_enable({"use_reentrant": False})
        return self

    @property
    def _norm_weight(self) -> torch.Tensor:
        """A frozen weight that stays float32 in every precision."""
        return self.backbone.clip.vision_model.pre_layrnorm.weight

    def _run(self, part: Callable[..., Any], *inputs: Any) -> Any:
        device = self._norm_weight.device
        return run_compiled(part, self, *inputs) if wants_compiling(self.compiling, device) else part(self, *inputs)

    def _casting(self) -> AbstractContextManager:
        """Let PyTorch cast what meets the frozen weights, unless all is of one type."""
        norm, compute = self._norm_weight, self.compute_type
        return nullcontext() if compute == norm.dtype else torch.autocast(norm.device.type, compute)

    def _hold_frozen(self) -> None:
        """Hold the frozen weights in the type of the computation."""
        compute = self.compute_type
        if self._norm_weight.dtype == torch.float32:
            hold_in(self.backbone, lambda module: hold_type(self.backbone, module, compute))
        self._sharing = SharingGuard(self.backbone)
