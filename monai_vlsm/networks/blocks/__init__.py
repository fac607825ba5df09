"""Building blocks: what is put beside, or into, the layers of transformers."""

from .adapter import Adapter
from .positions import KeptPositions
from .quick_gelu import keep_less_for_gradients

__all__ = ["Adapter", "KeptPositions", "keep_less_for_gradients"]
