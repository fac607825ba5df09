"""Learned vectors that stand among the tokens of a frozen encoder."""

from __future__ import annotations

import torch
from torch import nn

_SPREAD = 0.02


class Contexts(nn.Module):
    """One set of vectors for each depth, drawn from a normal distribution of standard deviation 0.02 (CoOp).

    Args:
        depth: number of sets: the first goes in with the tokens, the others in front of a layer each.
        number: vectors of a set.
        width: size D of the tokens.
    """

    def __init__(self, depth: int, number: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(depth, number, width).normal_(std=_SPREAD))

    def forward(self, depth: int) -> torch.Tensor:
        """Return the set (n, D) of a depth."""
        return self.vectors[depth]


class ContextProjection(nn.Module):
    """Turn contexts of one width into contexts of another: ``norm(up(relu(down(x))))`` (TuneVLSeg, MaPLe).

    Args:
        width: of the contexts that come.
        wanted: width of those that go.
        hidden: width between.
    """

    def __init__(self, width: int, wanted: int, hidden: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, hidden)
        self.up = nn.Linear(hidden, wanted, bias=False)
        self.norm = nn.LayerNorm(wanted)
        nn.init.kaiming_normal_(self.down.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, D) to (n, wanted)."""
        return self.norm(self.up(torch.relu(self.down(x))))


class ProjectedContexts:
    """Contexts of another encoder, each depth through a projection of its own.

    No module, because its parts are modules of the network already, and a tensor must have one name in a checkpoint.

    Args:
        contexts: of the other encoder.
        projections: one for each depth.
    """

    def __init__(self, contexts: Contexts, projections: nn.ModuleList) -> None:
        self.contexts = contexts
        self.projections = projections

    def __call__(self, depth: int) -> torch.Tensor:
        """Return the set (n, D) of a depth."""
        return self.projections[depth](self.contexts(depth))
