"""From an image of any size, as it was read, to logits of the same size and orientation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type
from torch.nn.functional import interpolate

from monai_vlsm.networks.text import tokenize
from monai_vlsm.transforms.network_input import network_input
from monai_vlsm.transforms.prompt import PROMPT
from monai_vlsm.transforms.upright import UprightView, upright_slices


class PromptInferer(Inferer):
    """Segment whole images and volumes: turn slices upright, resize, run the network, resize the logits back.

    Args:
        prompt: what to segment in images that bring no prompt of their own (:class:`.AttachPromptd`); None leaves it to
            the tokens given with the call, or to the network's default prompt.
        image_size: height and width in pixels that the network sees; None is the size its backbone was made for.
        batch_size: slices per run of the network.
    """

    def __init__(self, prompt: str | None = None, image_size: int | None = None, batch_size: int = 8) -> None:
        self.prompt = prompt
        self.image_size = image_size
        self.batch_size = batch_size

    @torch.no_grad()
    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Segment a batch.

        Args:
            inputs: (B, C, W, H) or (B, C, W, H, D) in [0, 1], as :class:`.LoadImageAnyd` gives it; C is 1 or 3.
            network: takes ``image``, ``input_ids`` and ``attention_mask``, gives logits of the image's size.
            input_ids: (B, L) or (1, L); used when neither the images nor the inferer have a prompt.
            attention_mask: of the shape of ``input_ids``.

        Returns:
            (B, 1, W, H) or (B, 1, W, H, D) float32 logits with the metadata of ``inputs``.
        """
        bare: Any = getattr(network, "module", network)
        image_size = self.image_size or bare.image_size
        prompt = getattr(inputs, "meta", {}).get(PROMPT, self.prompt)
        if prompt is not None:
            tokens = tokenize(bare.tokenizer, prompt)
            input_ids = tokens["input_ids"].to(inputs.device)
            attention_mask = tokens["attention_mask"].to(inputs.device)
        outputs = []
        for index, image in enumerate(inputs.as_subclass(torch.Tensor)):
            view = UprightView.of(inputs, index)
            pictures = upright_slices(image, view)
            own = slice(None) if input_ids is None or len(input_ids) == 1 else slice(index, index + 1)
            ids, mask = (None if tokens is None else tokens[own] for tokens in (input_ids, attention_mask))
            logits = torch.cat(
                [network(network_input(part, image_size), ids, mask) for part in pictures.split(self.batch_size)]
            )
            outputs.append(to_stored(logits, view, image))
        result = torch.stack(outputs)
        if isinstance(inputs, MetaTensor):
            like = MetaTensor([]).copy_meta_from(inputs, copy_attr=False)
            result = convert_to_dst_type(result, like, device=result.device)[0]
        return result


def to_stored(logits: torch.Tensor, view: UprightView, image: torch.Tensor) -> torch.Tensor:
    """Bring upright logits (D, 1, h, w) to size and axes of ``image`` (C, W, H[, D]): (1, W, H[, D])."""
    size = image.shape[1:3][::-1] if view.swap else image.shape[1:3]
    stored = view.undo(interpolate(logits, size=tuple(size), mode="bilinear"))
    return stored.movedim(0, -1) if image.ndim == 4 else stored[0]
