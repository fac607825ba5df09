"""From an image of any size, as it was read, to logits of the same size and orientation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type
from torch.nn.functional import interpolate

from monai_vlsm.networks.text import tokenize
from monai_vlsm.transforms.network_input import network_input
from monai_vlsm.transforms.prompt import PROMPT
from monai_vlsm.transforms.upright import UprightView, upright_parts


class PromptInferer(Inferer):
    """Segment whole images and volumes: turn slices upright, resize, run the network, resize the logits back.

    Of a volume no more than ``batch_size`` slices are pictures or logits at a time; only the answer has its size.

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
            inputs: (B, C, W, H) or (B, C, W, H, D) as :class:`.ToDisplayRanged` gives it, uint8 or float in [0, 1];
                C is 1 or 3.
            network: takes ``image``, ``input_ids`` and ``attention_mask``, gives logits of the image's size.
            input_ids: (B, L) or (1, L); used when neither the images nor the inferer have a prompt.
            attention_mask: of the shape of ``input_ids``.

        Returns:
            (B, 1, W, H) or (B, 1, W, H, D) float32 logits with the metadata of ``inputs``.
        """
        bare: Any = getattr(network, "module", network)
        prompt = getattr(inputs, "meta", {}).get(PROMPT, self.prompt)
        if prompt is not None:
            tokens = tokenize(bare.tokenizer, prompt)
            input_ids = tokens["input_ids"].to(inputs.device)
            attention_mask = tokens["attention_mask"].to(inputs.device)
        image_size = self.image_size or bare.image_size
        result = torch.empty((len(inputs), 1, *inputs.shape[2:]), device=inputs.device)
        for index, image in enumerate(inputs.as_subclass(torch.Tensor)):
            view = UprightView.of(inputs, index)
            own = slice(None) if input_ids is None or len(input_ids) == 1 else slice(index, index + 1)
            ids, mask = (None if tokens is None else tokens[own] for tokens in (input_ids, attention_mask))
            logits = (
                network(network_input(pictures, image_size), ids, mask)
                for pictures in upright_parts(image, view, self.batch_size)
            )
            write_stored(logits, view, result[index, 0])
        if isinstance(inputs, MetaTensor):
            like = MetaTensor([]).copy_meta_from(inputs, copy_attr=False)
            result = convert_to_dst_type(result, like, device=result.device)[0]
        return result


def write_stored(logits: Iterable[torch.Tensor], view: UprightView, out: torch.Tensor) -> None:
    """Bring upright logits, part by part, to the size and axes of a stored image.

    Args:
        logits: parts (n, 1, h, w) of all slices.
        view: of the image.
        out: (W, H[, D]) of the image, to be filled.
    """
    size = out.shape[:2][::-1] if view.swap else out.shape[:2]
    slices = iter(out.split(1, dim=-1) if out.ndim == 3 else [out[..., None]])
    for part in logits:
        for picture in part:
            resized = interpolate(picture[None], size=tuple(size), mode="bilinear")
            next(slices).copy_(view.undo(resized)[0, 0][..., None])
