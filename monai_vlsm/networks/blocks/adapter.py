"""The bottleneck of the paper: two linear layers beside a frozen model."""

from __future__ import annotations

import torch
from torch import nn

from monai_vlsm.networks.blocks.activations import relu
from monai_vlsm.rules import WIDTH, require_value


class Adapter(nn.Module):
    """Residual bottleneck behind a frozen sub-layer: ``x + act(up(act(down(x))))`` with ReLU as activation.

    The outer activation is not in Houlsby et al. (2019), Fig. 2; it is kept because published VLSM-Adapter
    weights were trained with it (naamiinepal/vlsm-adapter@d5b5a5e, src/models/clipseg_adapter.py#L43-L46).
    It lets an adapter only add to a feature, and at the start the block is near, not at, the identity.

    Args:
        width: size D of the features of the frozen model.
        bottleneck: hidden size; 64 in the paper's dense, 512 in its shallow and 256 in its conditional adapters.

    Raises:
        DataError: if ``bottleneck`` is no whole number from 1 to 65,536.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        require_value(WIDTH, bottleneck, "bottleneck")
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``x`` of shape (..., D) to the same shape."""
        return x + relu(self.up(torch.relu(self.down(x))))
