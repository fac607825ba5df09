"""What a checkpoint says of the network it was trained with, as one small tensor that any format can carry."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import torch

from monai_vlsm.errors import DataError

FORMAT = 2
"""Version of what stands in a checkpoint; 1 is that of version 0.1.0, which had no facts."""
FACTS_BYTES = 1024
_NAME_CHARACTERS = 100


@dataclass(frozen=True)
class Facts:
    """Facts of a network.

    Args:
        method: name in ``METHODS``.
        settings: arguments of the method that were not left to the backbone.
        backbone: its name.
        fingerprint: of the backbone.
        format: version of the checkpoint's format.
    """

    method: str
    settings: dict[str, Any]
    backbone: str
    fingerprint: str
    format: int = FORMAT

    def encode(self) -> torch.Tensor:
        """Return the facts as JSON in (1024,) uint8, padded with spaces; a long name of the backbone is cut."""
        values = asdict(self) | {"backbone": self.backbone[:_NAME_CHARACTERS]}
        text = json.dumps(values, sort_keys=True, ensure_ascii=False).encode()
        if len(text) > FACTS_BYTES:
            raise DataError(f"the settings of the network take {len(text)} bytes, at most {FACTS_BYTES} are stored.")
        return torch.tensor(list(text.ljust(FACTS_BYTES)), dtype=torch.uint8)

    @classmethod
    def decode(cls, tensor: torch.Tensor) -> Facts:
        """Return the facts that ``encode`` wrote.

        Raises:
            DataError: if it is no such tensor, or was written by a newer version of this package.
        """
        if tensor.dtype != torch.uint8 or tensor.shape != (FACTS_BYTES,) or tensor.is_meta:
            raise DataError("the checkpoint is damaged: 'facts' must be 1024 bytes.")
        try:
            values = json.loads(tensor.cpu().numpy().tobytes())
        except (ValueError, RecursionError) as error:
            raise DataError(f"the checkpoint is damaged: 'facts' holds no JSON ({error}).") from error
        version = values.get("format") if isinstance(values, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise DataError(
                f"the checkpoint has the format {version}, this version of monai_vlsm reads up to {FORMAT}: update it."
            )
        kinds = {"method": str, "settings": dict, "backbone": str, "fingerprint": str, "format": int}
        if not isinstance(values, dict) or {name: type(value) for name, value in values.items()} != kinds:
            raise DataError(f"the checkpoint is damaged: 'facts' must name {sorted(kinds)}.")
        return cls(**values)
