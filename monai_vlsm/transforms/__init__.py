"""Transforms from a datalist's entry to the network's input, and from its output to files."""

from .image import LoadMaskd, LoadPictured, NetworkImaged, NetworkMaskd, SameSized, UprightView
from .label_map import LoadLabelMapd
from .prompt import AttachPromptd, SelectPromptd, TokenizePromptd
from .save import SaveMaskd

__all__ = [
    "AttachPromptd",
    "LoadLabelMapd",
    "LoadMaskd",
    "LoadPictured",
    "NetworkImaged",
    "NetworkMaskd",
    "SameSized",
    "SaveMaskd",
    "SelectPromptd",
    "TokenizePromptd",
    "UprightView",
]
