"""Forward hooks that change what a frozen layer returns.

Objects, not closures, so that deepcopy gives each copy its own modules. Hooks, not wrapped layers, so that names in
checkpoints do not depend on the module paths of transformers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Source = Callable[[int], torch.Tensor]
"""Gives the context vectors (n, D) of a depth."""


class AdapterHook:
    """Send the output (B, L, D) through an adapter.

    Args:
        adapter: keeps the shape.
    """

    def __init__(self, adapter: nn.Module) -> None:
        self.adapter = adapter

    def __call__(self, module: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
        """Return the adapted output."""
        return self.adapter(output)


class _ContextHook:
    """Put context vectors into the output (B, L, D) of a layer.

    Args:
        source: of the vectors.
        depth: which of them.
    """

    def __init__(self, source: Source, depth: int) -> None:
        self.source = source
        self.depth = depth

    def __call__(self, module: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
        """Return the output with the vectors in it."""
        vectors = self.source(self.depth)
        return self.put(output, vectors.expand(output.shape[0], -1, -1))

    def put(self, output: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Join output (B, L, D) and vectors (B, n, D)."""
        raise NotImplementedError


class AppendContexts(_ContextHook):
    """Append the vectors: (B, L + n, D)."""

    def put(self, output: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Join output (B, L, D) and vectors (B, n, D)."""
        return torch.cat((output, vectors), 1)


class ReplaceLast(_ContextHook):
    """Put the vectors in place of the last n."""

    def put(self, output: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Join output (B, L, D) and vectors (B, n, D)."""
        return torch.cat((output[:, : -vectors.shape[1]], vectors), 1)


class ReplaceBehindFirst(_ContextHook):
    """Put the vectors in place of the n behind the first, which is the start of a text."""

    def put(self, output: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Join output (B, L, D) and vectors (B, n, D)."""
        return torch.cat((output[:, :1], vectors, output[:, 1 + vectors.shape[1] :]), 1)
