"""Building blocks: what is put beside, or into, the layers of transformers."""

from .activations import keep_less_for_gradients
from .adapter import Adapter
from .positions import KeptPositions

__all__ = ["Adapter", "KeptPositions", "keep_less_for_gradients"]
