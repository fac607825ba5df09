"""Transforms from a datalist's entry to the network's input, and from its output to files."""

from .absent import SelectPromptOrAbsentd
from .augmentation import augmentation
from .case_scores import CaseScoresd
from .collate import collate_image
from .display_range import ToDisplayRanged
from .label_map import LoadLabelMapd
from .load import EnsureSameSized, LoadImageAnyd, LoadMaskd, load_image
from .logits import LogitsToMaskd
from .network_input import ToNetworkImaged, ToNetworkMaskd, ToPixelImaged, ToPixelMaskd
from .presence import EmptyAbsentd, ScorePresenced, presence_score
from .prompt import AttachPromptd, SelectPromptd, TokenizePromptd
from .save import SaveImageMaskd, SqueezePictured
from .score import ScoreMaskd
from .symmetry import RandSymmetryd
from .training import training_transform
from .upright import UprightView

__all__ = [
    "AttachPromptd",
    "CaseScoresd",
    "EmptyAbsentd",
    "EnsureSameSized",
    "LoadImageAnyd",
    "LoadLabelMapd",
    "LoadMaskd",
    "LogitsToMaskd",
    "RandSymmetryd",
    "SaveImageMaskd",
    "ScoreMaskd",
    "ScorePresenced",
    "SelectPromptOrAbsentd",
    "SelectPromptd",
    "SqueezePictured",
    "ToDisplayRanged",
    "ToNetworkImaged",
    "ToNetworkMaskd",
    "ToPixelImaged",
    "ToPixelMaskd",
    "TokenizePromptd",
    "UprightView",
    "augmentation",
    "collate_image",
    "load_image",
    "presence_score",
    "training_transform",
]
