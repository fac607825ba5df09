"""How large an image may be, asked of its header before anything is decoded."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from monai_vlsm.errors import DataError

LIMIT_VARIABLE = "MONAI_VLSM_MAX_PIXELS"
"""Environment variable that replaces the limit."""

DEFAULT_LIMIT = 2**29
"""Pixels or voxels: a volume of 2048 slices of 512 x 512, or a picture of 23,170 x 23,170."""

_BYTES_PER_PIXEL = 12
"""What reading, predicting and saving need at most."""

_DEFLATE_LIMIT = 1032
"""Times that gzip and zlib can shrink data at most."""


def refuse_oversized(size: Sequence[int]) -> None:
    """Raise a DataError if an image has more pixels than the limit.

    Args:
        size: pixels along every axis.
    """
    pixels, limit = math.prod(int(axis) for axis in size), _limit()
    if pixels > limit:
        raise DataError(
            f"it has {pixels:,} pixels ({' x '.join(str(int(axis)) for axis in size)}), more than the limit of "
            f"{limit:,}. Set the environment variable {LIMIT_VARIABLE}={pixels} to read it nevertheless; it needs up "
            f"to {pixels * _BYTES_PER_PIXEL / 1e9:,.1f} GB of memory"
        )


def refuse_empty_promises(size: tuple[int, ...], bytes_per_value: int, stored: int, compressed: bool) -> None:
    """Refuse an image that is too large, or whose file cannot hold the values that its header promises.

    Args:
        size: of the image along every axis.
        bytes_per_value: of all channels of a pixel together.
        stored: bytes of the file.
        compressed: whether its values may be compressed.

    Raises:
        DataError: before memory is taken for what is not there.
    """
    refuse_oversized(size)
    promised = bytes_per_value
    for axis in size:
        promised *= int(axis)
    if promised > stored * (_DEFLATE_LIMIT if compressed else 1):
        raise DataError(f"its header promises {promised:,} bytes of voxels, the file has {stored:,}")


def _limit() -> int:
    value = os.environ.get(LIMIT_VARIABLE, "").strip()
    if not value:
        return DEFAULT_LIMIT
    if not value.isdecimal():
        raise DataError(f"the environment variable {LIMIT_VARIABLE} must be a number of pixels, not {value!r}")
    return int(value)
