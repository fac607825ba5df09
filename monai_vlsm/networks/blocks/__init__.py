"""Building blocks: what is put beside, or into, the layers of transformers."""

from .activations import keep_less_for_gradients
from .adapter import Adapter
from .contexts import ContextProjection, Contexts, ProjectedContexts
from .hooks import AdapterHook, AppendContexts, ReplaceBehindFirst, ReplaceLast
from .positions import KeptPositions
from .telescopic_adapter import BoundaryEnhancer, TelescopicAdapter
from .texts import KeptTexts

__all__ = [
    "Adapter",
    "AdapterHook",
    "AppendContexts",
    "BoundaryEnhancer",
    "ContextProjection",
    "Contexts",
    "KeptPositions",
    "KeptTexts",
    "ProjectedContexts",
    "ReplaceBehindFirst",
    "ReplaceLast",
    "TelescopicAdapter",
    "keep_less_for_gradients",
]
