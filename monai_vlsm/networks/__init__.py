"""Networks, the frozen backbone under them, and their checkpoints."""

from .backbone import DEFAULT_BACKBONE, Backbone, load_backbone, load_tokenizer
from .checkpoint import adapter_state_dict, convert_reference_checkpoint, load_adapter_state_dict, load_checkpoint
from .nets import CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter

__all__ = [
    "DEFAULT_BACKBONE",
    "Backbone",
    "CLIPSegDenseAdapter",
    "CLIPSegFineTune",
    "CLIPSegShallowAdapter",
    "adapter_state_dict",
    "convert_reference_checkpoint",
    "load_adapter_state_dict",
    "load_backbone",
    "load_checkpoint",
    "load_tokenizer",
]
