"""The networks that bundles name in their ``network_def``."""

from .clipseg import CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter
from .image_only import ImageOnlyNetwork
from .lora import CLIPSegLoRA
from .prompt_tuning import CLIPSegCoOp, CLIPSegMaPLe, CLIPSegVPT
from .prompted import ImageFeatures, PromptedNetwork
from .telescopic import CLIPSegTelescopicAdapter

__all__ = [
    "CLIPSegCoOp",
    "CLIPSegDenseAdapter",
    "CLIPSegFineTune",
    "CLIPSegLoRA",
    "CLIPSegMaPLe",
    "CLIPSegShallowAdapter",
    "CLIPSegTelescopicAdapter",
    "CLIPSegVPT",
    "ImageFeatures",
    "ImageOnlyNetwork",
    "PromptedNetwork",
]
