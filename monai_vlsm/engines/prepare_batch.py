"""From a batch as it was loaded to what the network takes, on its device."""

from __future__ import annotations

from typing import Any

import torch
from monai.engines import PrepareBatchExtraInput

from monai_vlsm.transforms.network_input import STATES, normalized_pixels


class PreparePixels(PrepareBatchExtraInput):
    """MONAI's ``PrepareBatchExtraInput`` for images that travel as bytes: they become floats on the device.

    Images (B, 3, H, W) uint8 are normalized, those of other types are taken as normalized. All normalized batches share
    one piece of memory: whoever wants to keep an image beyond its iteration copies it.

    Tokens stay where they were loaded: the network moves what it needs of them, and waits for no GPU to know how many
    that are. Where a batch has ``states``, these go to the network too, and the images, which it then only measures,
    stay bytes.

    Args:
        extra_keys: as MONAI's: by argument of the network, the key in the batch.
    """

    def __init__(self, extra_keys: dict[str, str]) -> None:
        super().__init__({})
        self._tokens = extra_keys
        self._memory: torch.Tensor | None = None

    def __call__(
        self,
        batchdata: dict[str, torch.Tensor],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor, tuple, dict]:
        """Return images and labels (float), no positional arguments, and those by name."""
        image, label, args, _ = super().__call__(batchdata, device, non_blocking, **kwargs)
        extra = {name: batchdata[key] for name, key in self._tokens.items()}
        if STATES in batchdata:
            extra[STATES] = batchdata[STATES].to(device=device, non_blocking=non_blocking, **kwargs)
        elif image.dtype == torch.uint8:
            image = normalized_pixels(image, self._memory_for(image))
        return image, label.float() if label is not None else label, args, extra

    def _memory_for(self, image: torch.Tensor) -> torch.Tensor:
        """Return memory for a batch; taking it anew costs a CPU several times of what is done in it."""
        memory = self._memory
        if memory is None or memory.device != image.device or memory.shape[1:] != image.shape[1:]:
            memory = None
        if memory is None or len(memory) < len(image):
            memory = self._memory = torch.empty(image.shape, device=image.device)
        return memory[: len(image)]
