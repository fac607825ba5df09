"""Arrays on disk, each found by a key of all that it was made of."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm.auto import tqdm

from monai_vlsm.data.whole import remove_abandoned_below, replace_whole, require_space

_logger = logging.getLogger("monai_vlsm")
Source = TypeVar("Source")


def content_key(*made_of: str | int) -> str:
    """Return the SHA-256 of all that an array was made of, the version of this package included."""
    return hashlib.sha256(repr((_version(), *made_of)).encode()).hexdigest()


class ContentStore:
    """Arrays of one shape and type in a folder, one ``.npy`` file each.

    Another content has another key, so that nothing in it can be out of date. Files are written whole or not at all:
    any number of processes may read and fill one folder, and two that write one key write the same. A file that is
    damaged counts as none, and so does a link, which is replaced and never followed.

    Args:
        folder: of the files; it is made when it is filled.
        shape: of every array.
        dtype: of every array, as NumPy names it.
    """

    def __init__(self, folder: str | Path, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        self.folder = Path(folder)
        self.shape = shape
        self.dtype = np.dtype(dtype)
        header = io.BytesIO()
        facts = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, facts)
        self._header = header.getvalue()

    @property
    def bytes_per_array(self) -> int:
        """What an array takes on the disk."""
        return len(self._header) + int(np.prod(self.shape)) * self.dtype.itemsize

    def path(self, key: str) -> Path:
        """Return the file of a key; folders by its first two digits stay small."""
        return self.folder / key[:2] / f"{key}.npy"

    def get(self, key: str) -> np.ndarray | None:
        """Return the array of ``key``, or None if there is none or its file is damaged.

        It is mapped into memory: read when it is used, and its file stays open as long as it lives. Who writes into it
        changes a private copy, not the file.
        """
        path = self.path(key)
        try:
            facts = os.lstat(path)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size != self.bytes_per_array:
                return None
            with path.open("rb") as file:
                if file.read(len(self._header)) != self._header:
                    return None
                return np.memmap(file, self.dtype, mode="c", offset=len(self._header), shape=self.shape)
        except OSError:
            return None

    def put(self, key: str, array: np.ndarray) -> None:
        """Write the array of ``key``.

        Raises:
            DataError: if the disk is full or the file cannot be written.
        """
        with replace_whole(self.path(key)) as part, part.open("wb") as file:
            file.write(self._header)
            file.write(np.ascontiguousarray(array, self.dtype).reshape(self.shape).data)

    def missing(self, sources: Mapping[str, Source]) -> dict[str, Source]:
        """Return those of ``sources``, by key, of which there is no array."""
        return {key: source for key, source in sources.items() if self.get(key) is None}

    def prepare(self, sources: Mapping[str, Source], way_out: str, progress: bool = True) -> dict[str, Source]:
        """Return what is missing, say how large the store gets, and make sure that there is room for it.

        Args:
            sources: what each array is made from, by its key.
            way_out: what else a person can do where the disk has too little room.
            progress: say it.

        Raises:
            DataError: if it has.
        """
        remove_abandoned_below(self.folder)
        missing, kind = self.missing(sources), self.folder.name
        size = len(missing) * self.bytes_per_array
        _logger.log(
            logging.INFO if progress else logging.DEBUG,
            f"Cache {str(self.folder)!r}: {len(sources):,} {kind} of {self.bytes_per_array / 1e6:,.2f} MB each are "
            f"{len(sources) * self.bytes_per_array / 1e6:,.0f} MB, of which {size / 1e6:,.0f} MB have to be written.",
        )
        there = next(folder for folder in (self.folder, *self.folder.absolute().parents) if folder.exists())
        require_space(there, size, f"cache {kind} in {str(self.folder)!r}", way_out)
        return missing

    def fill(
        self,
        missing: Mapping[str, Source],
        make: Callable[[list[Source]], Iterable[np.ndarray]],
        batch_size: int = 1,
        progress: bool = True,
    ) -> None:
        """Make and write arrays, one batch after the other; what was written stays where this is interrupted.

        Args:
            missing: what each array is made from, by its key.
            make: returns the arrays of at most ``batch_size`` sources.
            batch_size: number of arrays made at a time.
            progress: show a bar.
        """
        pairs = list(missing.items())
        with tqdm(total=len(pairs), desc=f"Caching {self.folder.name}", unit="image", disable=not progress) as bar:
            for start in range(0, len(pairs), batch_size):
                batch = pairs[start : start + batch_size]
                for (key, _), array in zip(batch, make([source for _, source in batch]), strict=True):
                    self.put(key, array)
                    bar.update()


@cache
def _version() -> str:
    return version("monai_vlsm")
