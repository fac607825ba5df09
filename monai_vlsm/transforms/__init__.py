"""Transforms from a datalist's entry to the network's input, and from its output to files."""

from .label_map import LoadLabelMapd
from .load import EnsureSameSized, LoadImageAnyd, LoadMaskd
from .network_input import ToNetworkImaged, ToNetworkMaskd
from .prompt import AttachPromptd, SelectPromptd, TokenizePromptd
from .save import SaveImageMaskd
from .training import training_transform
from .upright import UprightView

__all__ = [
    "AttachPromptd",
    "EnsureSameSized",
    "LoadImageAnyd",
    "LoadLabelMapd",
    "LoadMaskd",
    "SaveImageMaskd",
    "SelectPromptd",
    "ToNetworkImaged",
    "ToNetworkMaskd",
    "TokenizePromptd",
    "UprightView",
    "training_transform",
]
