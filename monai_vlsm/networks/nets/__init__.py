"""The networks that bundles name in their ``network_def``."""

from .clipseg import CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter, ImageFeatures

__all__ = ["CLIPSegDenseAdapter", "CLIPSegFineTune", "CLIPSegShallowAdapter", "ImageFeatures"]
