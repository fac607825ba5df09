"""Settings of methods, refused where they cannot be used; they may come out of a stranger's checkpoint."""

from __future__ import annotations

from typing import Any

from monai_vlsm.errors import DataError

_MOST = 65_536
"""Many times the width of any CLIPSeg: what asks for more wants to take the memory."""


def require_whole(name: str, value: Any, high: int = _MOST) -> None:
    """Raise a DataError unless ``value`` is a whole number from 1 to ``high``."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= high:
        raise DataError(f"{name} must be a whole number, at most {high:,} and at least 1, not {value!r}.")


def require_number(name: str, value: Any, low: float, high: float) -> None:
    """Raise a DataError unless ``value`` is a number from ``low`` to ``high``."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise DataError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}.")


def require_switch(name: str, value: Any) -> None:
    """Raise a DataError unless ``value`` is true or false."""
    if not isinstance(value, bool):
        raise DataError(f"{name} must be true or false, not {value!r}.")
