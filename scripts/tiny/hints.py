"""Help for the first steps of pretraining: both encoders must also tell the attributes of objects by themselves.

Masks alone say little about why a prompt fits one object and not the next, so a network that gets nothing else masks
every object for much of the time budget. The heads are thrown away after training.
"""

import numpy as np
import torch
from paint import IMAGE_SIZE
from prompts import Prompt
from scenes import ATTRIBUTES, Scene
from torch import nn
from torch.nn import functional as F

NOTHING = -100  # the label that cross_entropy leaves out


def prompt_labels(scene: Scene, prompt: Prompt) -> list[int]:
    """Number of the value that a prompt names, for each of ``ATTRIBUTES``; nothing for a prompt that says "no ..."."""
    if not prompt.targets:
        return [NOTHING] * len(ATTRIBUTES)
    values = scene.things[prompt.targets[0]].attributes
    return [known.index(values[name]) if name in prompt.kind else NOTHING for name, known in ATTRIBUTES.items()]


def patch_labels(scene: Scene, patch: int) -> np.ndarray:
    """Number of the value that the object in each patch has, (attributes, patches) int64."""
    grid = IMAGE_SIZE // patch
    labels = np.full((len(ATTRIBUTES), grid, grid), NOTHING)
    for thing in scene.things:
        covered = thing.mask.reshape(grid, patch, grid, patch).mean((1, 3)) > 0.3
        for i, (name, known) in enumerate(ATTRIBUTES.items()):
            labels[i, covered] = known.index(thing.attributes[name])
    return labels.reshape(len(ATTRIBUTES), -1)


class AttributeHeads(nn.Module):
    """One linear classifier per attribute on features of size ``width``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, len(known)) for known in ATTRIBUTES.values())

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy of features (N, width) and labels (N, attributes), summed over the attributes."""
        losses = []
        for head, wanted in zip(self.heads, labels.unbind(1), strict=True):
            known = (wanted != NOTHING).sum().clamp(min=1)
            losses.append(F.cross_entropy(head(features).float(), wanted, reduction="sum") / known)
        return torch.stack(losses).sum()
