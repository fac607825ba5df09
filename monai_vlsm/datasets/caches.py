"""Where images and masks are kept between epochs, by one name each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from monai_vlsm.datasets.items import Entry, ItemsFromFiles, ItemsInMemory, PairReader
from monai_vlsm.datasets.items_on_disk import ItemsOnDisk
from monai_vlsm.errors import DataError

CACHES: dict[str, Callable[[Sequence[Entry], PairReader, str | Path], Sequence[Entry]]] = {
    "memory": lambda entries, read, folder: ItemsInMemory(entries, read),
    "disk": ItemsOnDisk,
    "none": lambda entries, read, folder: ItemsFromFiles(entries, read),
}
"""By what ``cache`` may be."""


def open_items(entries: Sequence[Entry], read: PairReader, cache: str, folder: str | Path) -> Sequence[Entry]:
    """Return the items of ``entries``, with images and masks from where ``cache`` says.

    Args:
        entries: with the files ``image`` and ``label``.
        read: reads them.
        cache: one of ``CACHES``.
        folder: of what is kept on the disk.

    Raises:
        DataError: if there is no such cache, or no room for it.
    """
    if cache not in CACHES:
        raise DataError(f"'cache' must be one of {sorted(CACHES)}, not {cache!r}.")
    return CACHES[cache](entries, read, folder)
