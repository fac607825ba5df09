"""One label map of the masks of several prompts, where they overlap included."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from monai_vlsm.rules import MOST_LABELS


def merge_labels(
    probabilities: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    values: Sequence[int],
    paint: Sequence[int] | None = None,
) -> torch.Tensor:
    """Give each pixel the value of one prompt: of those whose mask holds it, the one with the highest probability.

    Of equal probabilities the first prompt counts. Targets within each other, such as a cup in a disc, need an order
    instead: what is in ``paint`` is painted over all others, one after the other.

    Args:
        probabilities: calibrated, of each prompt, of any shape.
        masks: bool, of the same shape.
        values: of each prompt, from 1 to ``MOST_LABELS``.
        paint: places in these lists; what stands later covers what stands earlier.

    Returns:
        uint8 of that shape, or uint16 if a value is above 255; 0 where no mask is.

    Raises:
        ValueError: if there are no masks, or not as many probabilities and values, or a value has no room.
    """
    if not masks or not 0 < min(values) <= max(values) <= MOST_LABELS:
        raise ValueError(f"expected masks with values from 1 to {MOST_LABELS}, got {len(masks)} and {list(values)}.")
    wide = max(values) > torch.iinfo(torch.uint8).max
    # PyTorch does little with uint16.
    merged = torch.zeros(masks[0].shape, dtype=torch.int32 if wide else torch.uint8)
    best = torch.full(masks[0].shape, -torch.inf)
    painted = list(paint or ())
    for index, (probability, mask, value) in enumerate(zip(probabilities, masks, values, strict=True)):
        if index not in painted:
            wins = mask & (probability > best)
            merged[wins] = value
            best = torch.where(wins, probability, best)
    for index in painted:
        merged[masks[index]] = values[index]
    return merged.to(torch.uint16) if wide else merged
