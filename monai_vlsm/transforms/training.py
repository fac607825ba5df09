"""All transforms of a training entry in one, for training loops without MONAI's engines."""

from __future__ import annotations

from typing import Any

from monai.transforms import Compose, EnsureTyped, SelectItemsd

from monai_vlsm.transforms.load import EnsureSameSized, LoadImageAnyd, LoadMaskd
from monai_vlsm.transforms.network_input import ToNetworkImaged, ToNetworkMaskd
from monai_vlsm.transforms.prompt import RANDOM, SelectPromptd, TokenizePromptd


def training_transform(network: Any, prompt_level: str = RANDOM, default_prompt: str = "") -> Compose:
    """Return the transform from an entry of :func:`monai_vlsm.data.load_datalist` to what ``network`` trains on.

    Args:
        network: one of :mod:`monai_vlsm.networks`; its image size and its tokenizer are used.
        prompt_level: as for :class:`SelectPromptd`; ``"random"`` for training, for example ``"p1"`` for validation.
        default_prompt: of entries without prompts.

    Returns:
        A transform to ``image`` (3, H, W) float32, ``label`` (1, H, W) float32 of 0 and 1, ``input_ids`` and
        ``attention_mask``, each (77,) int64, and ``prompt`` (string). PyTorch's DataLoader makes batches of them.
    """
    pair, kept = ["image", "label"], ["image", "label", "input_ids", "attention_mask"]
    return Compose(
        [
            LoadImageAnyd("image"),
            LoadMaskd("label"),
            EnsureSameSized(pair),
            ToNetworkImaged("image", network.image_size),
            ToNetworkMaskd("label", network.image_size),
            SelectPromptd(prompt_level, default_prompt),
            TokenizePromptd("prompt", tokenizer=network.tokenizer),
            EnsureTyped(kept, track_meta=False),
            SelectItemsd([*kept, "prompt"]),
        ]
    )
