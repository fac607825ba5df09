"""How batches are loaded, prepared and split, over processes and into pieces, for the engines of MONAI."""

from .loader import SplitLoader, loading_processes
from .prepare_batch import PreparePixels
from .shared_network import share_network
from .split_batches import SplitBatches
from .split_step import SplitStep

__all__ = ["PreparePixels", "SplitBatches", "SplitLoader", "SplitStep", "loading_processes", "share_network"]
