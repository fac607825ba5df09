"""How batches are loaded and split, over processes and into pieces, for the engines of MONAI."""

from .loader import SplitLoader, loading_processes
from .shared_network import share_network
from .split_batches import SplitBatches
from .split_step import SplitStep

__all__ = ["SplitBatches", "SplitLoader", "SplitStep", "loading_processes", "share_network"]
