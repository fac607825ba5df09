"""Stop when validation does not improve, also after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai.handlers import EarlyStopHandler


class ResumableEarlyStop(EarlyStopHandler):
    """MONAI's EarlyStopHandler, whose count of epochs without improvement can be saved; set its trainer first."""

    @property
    def is_exhausted(self) -> bool:
        """Whether there were as many epochs without improvement as its patience allows."""
        return self._stopping.counter >= self._stopping.patience

    def state_dict(self) -> dict[str, Any]:
        """Return the count and the best score."""
        return dict(self._stopping.state_dict())

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict()`` returned; patience and smallest improvement stay as they are here."""
        self._stopping.load_state_dict(state_dict)

    @property
    def _stopping(self) -> Any:
        return self._handler
