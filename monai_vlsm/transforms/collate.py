"""Batches of one image, without a copy of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor, list_data_collate


def collate_image(batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch as MONAI's ``list_data_collate`` does, but of one entry without copying its images.

    Pictures are stored by rows and named by columns, (C, W, H): a stack of them is written anew in the other order,
    which takes longer than to segment a photograph, and makes all that follows slower.
    """
    if len(batch) != 1:
        return list_data_collate(batch)
    images = {key: value for key, value in batch[0].items() if isinstance(value, MetaTensor)}
    without = {key: _like(torch.empty(0), image) for key, image in images.items()}
    collated = list_data_collate([{**batch[0], **without}])
    whole = {key: _like(image.as_tensor()[None], collated[key]) for key, image in images.items()}
    return {**collated, **whole}


def _like(values: torch.Tensor, image: MetaTensor) -> MetaTensor:
    """Return ``values`` with the metadata of ``image``."""
    result = MetaTensor(values)
    result.copy_meta_from(image, copy_attr=False)
    return result
