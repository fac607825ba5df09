"""Write what PyTorch saves whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from monai_vlsm.data.whole import replace_whole


def save_whole(content: Any, path: str | Path) -> None:
    """Save ``content`` as ``torch.save`` does; after a failure the older file is still there, and nothing else.

    Raises:
        DataError: if the disk is full or the file cannot be written.
    """
    with replace_whole(path) as part, part.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # PyTorch tells of its own bookkeeping, "unexpected pos", where the disk was full.
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
