"""All transforms of a training entry in one, for training loops without MONAI's engines."""

from __future__ import annotations

from typing import Any

import torch
from monai.transforms import Compose, EnsureTyped, Lambdad, SelectItemsd

from monai_vlsm.transforms.augmentation import augmentation
from monai_vlsm.transforms.display_range import ToDisplayRanged
from monai_vlsm.transforms.load import EnsureSameSized, LoadImageAnyd, LoadMaskd
from monai_vlsm.transforms.network_input import (
    ToNetworkImaged,
    ToNetworkMaskd,
    ToPixelImaged,
    ToPixelMaskd,
    network_input,
)
from monai_vlsm.transforms.prompt import RANDOM, SelectPromptd, TokenizePromptd


def training_transform(
    network: Any, prompt_level: str = RANDOM, default_prompt: str = "", augment: str = "none"
) -> Compose:
    """Return the transform from an entry of :func:`monai_vlsm.data.load_datalist` to what ``network`` trains on.

    Args:
        network: one of :mod:`monai_vlsm.networks`; its image size and its tokenizer are used.
        prompt_level: as for :class:`SelectPromptd`; ``"random"`` for training, for example ``"p1"`` for validation.
        default_prompt: of entries without prompts.
        augment: what changes at random, see :func:`augmentation`; for training only.

    Returns:
        A transform to ``image`` (3, H, W) float32, ``label`` (1, H, W) float32 of 0 and 1, ``input_ids`` and
        ``attention_mask``, each (77,) int64, and ``prompt`` (string). PyTorch's DataLoader makes batches of them.
    """
    pair, kept = ["image", "label"], ["image", "label", "input_ids", "attention_mask"]
    size, drawn = network.image_size, augmentation(augment)
    # What is drawn changes bytes; images become floats behind it.
    to_network = Lambdad(pair, [lambda image: network_input(image[None], size)[0], torch.Tensor.float])
    return Compose(
        [
            LoadImageAnyd("image"),
            ToDisplayRanged("image"),
            LoadMaskd("label"),
            EnsureSameSized(pair),
            ToPixelImaged("image", size) if drawn else ToNetworkImaged("image", size),
            ToPixelMaskd("label", size) if drawn else ToNetworkMaskd("label", size),
            SelectPromptd(prompt_level, default_prompt),
            *([*drawn, to_network] if drawn else []),
            TokenizePromptd("prompt", tokenizer=network.tokenizer),
            EnsureTyped(kept, track_meta=False),
            SelectItemsd([*kept, "prompt"]),
        ]
    )
