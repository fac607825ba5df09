"""Training on what is not there: a prompt whose target the image does not show, with an empty mask."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch

from monai_vlsm.data.absent import AbsentPrompts
from monai_vlsm.transforms.prompt import NAME, RANDOM, SelectPromptd

_LABEL = "label"


class SelectPromptOrAbsentd(SelectPromptd):
    """Choose the prompt of an image as :class:`SelectPromptd`, or now and then one whose target it does not show.

    Such a prompt is one of another class, in the words of an image that shows it, or names a thing that no image of
    the set shows; each of them is as likely. It is of the level that would have been chosen, so that long and short
    prompts are as often in vain. The mask becomes empty.

    Args:
        level, default: as for :class:`SelectPromptd`.
        fraction: of the draws that ask for something absent, in [0, 1].
        absent: what images do not show.
    """

    def __init__(self, level: str, default: str, fraction: float, absent: AbsentPrompts) -> None:
        super().__init__(level, default)
        self.fraction = fraction
        self.absent = absent

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace ``prompts`` by ``prompt``, and ``label`` (1, H, W) by zeros where its target is absent."""
        if self.R.random() >= self.fraction:
            return super().__call__(data)
        prompts = self._absent(str(data[NAME]), data.get("prompts") or {})
        if prompts is None:
            return super().__call__(data)
        return super().__call__({**data, "prompts": prompts, _LABEL: torch.zeros_like(data[_LABEL])})

    def _absent(self, image: str, own: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return prompts for something that ``image`` does not show, or None where nothing is known."""
        classes = self.absent.of(image)
        drawn = int(self.R.randint(max(1, len(classes) + bool(self.absent.wordings))))
        if drawn < len(classes):
            donors = self.absent.donors[classes[drawn]]
            return donors[self.R.randint(len(donors))]
        if not self.absent.wordings:
            return None
        wording = self.absent.wordings[self.R.randint(len(self.absent.wordings))]
        level = "p1" if self.level == RANDOM else self.level
        return {name: [wording] for name in (*own, level)}
