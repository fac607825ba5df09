"""Networks, the frozen backbone under them, and their checkpoints."""

from .backbone import DEFAULT_BACKBONE, Backbone, load_backbone, load_tokenizer
from .checkpoint import adapter_state_dict, load_adapter_state_dict, load_checkpoint, save_adapters
from .legacy import convert_reference_checkpoint
from .methods import METHODS, Method, build_network, load_network, trainable_summary, trained_parameters
from .nets import CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter
from .precision import needs_loss_scaling

__all__ = [
    "DEFAULT_BACKBONE",
    "METHODS",
    "Backbone",
    "CLIPSegDenseAdapter",
    "CLIPSegFineTune",
    "CLIPSegShallowAdapter",
    "Method",
    "adapter_state_dict",
    "build_network",
    "convert_reference_checkpoint",
    "load_adapter_state_dict",
    "load_backbone",
    "load_checkpoint",
    "load_network",
    "load_tokenizer",
    "needs_loss_scaling",
    "save_adapters",
    "trainable_summary",
    "trained_parameters",
]
