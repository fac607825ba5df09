"""The networks that bundles name in their ``network_def``."""

from .base import ImageFeatures
from .clipseg import CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter

__all__ = ["CLIPSegDenseAdapter", "CLIPSegFineTune", "CLIPSegShallowAdapter", "ImageFeatures"]
