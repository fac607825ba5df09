"""Transforms from a datalist's entry to the network's input, and from its output to files."""

from .image import LoadMaskd, LoadPictured, NetworkImaged, NetworkMaskd, SameSized, UprightView
from .prompt import SelectPromptd, TokenizePromptd
from .save import SaveMaskd

__all__ = [
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
