"""A network that several processes train together."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def share_network(network: nn.Module, device: torch.device | str, has_unused: bool = False) -> DistributedDataParallel:
    """Wrap a network so that every backward pass ends in the mean of the gradients of all processes.

    Only trained weights are exchanged. Frozen ones are sent by the first process to all others once, here.

    Args:
        network: on ``device``.
        device: of this process.
        has_unused: whether some trained weights get no gradient.
    """
    shared = DistributedDataParallel(
        network,
        device_ids=[device] if torch.device(device).type == "cuda" else None,
        find_unused_parameters=has_unused,
        gradient_as_bucket_view=True,
    )
    # Facts and prompt never change, and statistics of a batch norm belong to each process. The argument of this name is
    # deprecated since PyTorch 2.13, and the new one unknown before.
    shared.broadcast_buffers = False
    return shared
