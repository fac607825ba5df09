"""What a network makes of the prompts of each case: one encoding per image, a row per prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from monai_vlsm.data.masks import Mask, dice_of
from monai_vlsm.handlers.drawing import draw_overlay
from monai_vlsm.handlers.overlays import upright_pictures
from monai_vlsm.reports.prompt_groups import Entry, Questions
from monai_vlsm.transforms import UprightView
from monai_vlsm.transforms.load import load_pair

Row = dict[str, Any]


class Answering(Protocol):
    """What is needed of a :class:`monai_vlsm.predictor.Predictor`."""

    def set_image(self, image: str) -> Any:
        """Encode an image."""

    def predict(self, prompt: str, *, min_presence: float) -> Any:
        """Return a mask and a presence."""


def ask(predictor: Answering, questions: Questions, drawn: int = 0, progress: bool = True) -> Iterator[list[Row]]:
    """Yield what comes of each case, a row per prompt, the full one first.

    A row has ``group``, ``image``, ``label``, ``patient`` (the datalist's group), ``prompt``, ``is_there``, ``pixels``
    and ``area`` (share of the image), ``presence``, ``dice`` (with the annotation, or with an empty mask where the
    prompt names what is not there; two empty masks are 1), ``same`` (Dice with the mask of the full prompt), and
    ``picture``: an overlay of the first prompts of each group for the first cases, else None.

    Args:
        predictor: whose masks are not emptied by their presence.
        questions: of all cases.
        drawn: cases with pictures.
        progress: show a progress bar over the cases.
    """
    last = ""
    for number, entry in enumerate(tqdm(questions.entries, desc="asking", unit="case", disable=not progress)):
        if entry["image"] != last:
            predictor.set_image(entry["image"])
            last = entry["image"]
        yield list(_answers(predictor, questions, number, entry, number < drawn))


def _answers(predictor: Answering, questions: Questions, number: int, entry: Entry, is_drawn: bool) -> Iterator[Row]:
    image, annotation = load_pair(entry["image"], entry["label"])
    label: Mask = annotation.as_subclass(torch.Tensor)[0].numpy().astype(bool)
    full: Mask | None = None
    seen: set[str] = set()
    for question in questions.of(number):
        found = predictor.predict(question.prompt, min_presence=0)
        mask = _as_stored(found.mask, image)
        full = mask if full is None else full
        truth = label if question.is_there else np.zeros_like(label)
        show = is_drawn and question.group not in seen
        seen.add(question.group)
        yield {
            "group": question.group,
            "image": entry["image"],
            "label": entry["label"],
            "patient": entry.get("group", ""),
            "prompt": question.prompt,
            "is_there": question.is_there,
            "pixels": int(mask.sum()),
            "area": float(mask.mean()),
            "presence": found.presence,
            "dice": dice_of(mask, truth),
            "same": dice_of(mask, full),
            "picture": _drawn(image, mask, label) if show else None,
        }


def _as_stored(mask: Mask, image: torch.Tensor) -> Mask:
    """Return the mask of a picture, which is upright, in the axes of the image (W, H)."""
    return mask.T if mask.ndim == 2 and UprightView.of(image).swap else mask


def _drawn(image: torch.Tensor, mask: Mask, label: Mask) -> NDArray[np.uint8]:
    pred, truth = (torch.from_numpy(values.copy())[None] for values in (mask, label))
    return draw_overlay(*upright_pictures(image, pred, truth))
