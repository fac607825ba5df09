"""How much memory there is for data."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from monai_vlsm.errors import DataError

_MEMINFO = Path("/proc/meminfo")
_GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max", "memory.current", "inactive_file"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Where a container is told its limit: by version 2 and 1 of Linux's control groups."""
_SHARE = 0.9
"""Of the available memory, that data may take: the rest is for what the training itself needs."""


def require_memory(size: int, purpose: str, way_out: str) -> None:
    """Raise a DataError unless ``size`` bytes fit into memory; where the machine does not tell, they do.

    Args:
        size: bytes that will be taken.
        purpose: what for, as in "cannot PURPOSE".
        way_out: what a person can do.
    """
    available = available_memory()
    if available is not None and size > _SHARE * available:
        raise DataError(
            f"cannot {purpose}: {size / 1e6:,.0f} MB are needed, and {available / 1e6:,.0f} MB are available, of which "
            f"{_SHARE:.0%} may be used. {way_out}"
        )


def available_memory() -> int | None:
    """Return the bytes that each of the processes that train together can still take, or None where nothing says it."""
    known = [size for size in (_of_machine(), *_of_groups()) if size is not None]
    # torchrun starts several processes on a machine, and each of them keeps its own data.
    return min(known) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if known else None


def _of_machine() -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text(_MEMINFO), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _of_groups() -> Iterator[int]:
    for folder, limit, used, reclaimable in _GROUPS:
        numbers = [_text(folder / name).strip() for name in (limit, used)]
        if all(number.isdecimal() for number in numbers):
            cached = re.search(rf"^{reclaimable} (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
            yield max(0, int(numbers[0]) - int(numbers[1]) + (int(cached[1]) if cached else 0))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
