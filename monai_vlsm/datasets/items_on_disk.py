"""Images and masks of entries as they go into a batch, made once and read from the disk from then on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from multiprocessing.pool import ThreadPool
from pathlib import Path

import ignite.distributed as idist
import torch
from monai.data.utils import pickle_hashing
from tqdm.auto import tqdm

from monai_vlsm.data.content_store import ContentStore, content_key
from monai_vlsm.data.whole import file_sha256
from monai_vlsm.datasets.items import THREADS, Entry, ItemsFromFiles, PairReader
from monai_vlsm.errors import DataError
from monai_vlsm.transforms.headers import data_file_of

_HEADERS = (".mha", ".mhd", ".nrrd")
"""Files whose values may lie in another file."""
_WAY_OUT = (
    "make room, choose a folder on another disk (cache_dir) or a part of the images (train_fraction), or set cache to "
    "'memory' or 'none'"
)


class ItemsOnDisk(ItemsFromFiles):
    """The same as arrays in a folder, by content of the files, their suffixes, and the transforms.

    They are made when this is built; several processes share the work. Entries that show one image share it. What
    vanishes meanwhile is read from its file.

    Args:
        entries: with the files ``image`` and ``label``.
        read: reads them.
        folder: in which the stores lie.

    Raises:
        DataError: if the disk has too little room.
    """

    def __init__(self, entries: Sequence[Entry], read: PairReader, folder: str | Path) -> None:
        super().__init__(entries, read)
        if not entries:
            return
        pixels, (mask,) = super()._pair(0)
        steps, content = pickle_hashing(read.transforms).decode(), cache(_content)
        contents = [[content(str(entry[key])) for key in ("image", "label")] for entry in entries]
        # A mask is laid on its image, so that it depends on both.
        self._keys = [(content_key(steps, image), content_key(steps, image, label)) for image, label in contents]
        self._stores = [
            ContentStore(Path(folder) / name, tuple(made.shape)) for name, made in (("images", pixels), ("masks", mask))
        ]
        self._fill()

    def _pair(self, index: int) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        image, mask = (store.get(key) for store, key in zip(self._stores, self._keys[index], strict=True))
        if image is None or mask is None:
            return super()._pair(index)
        return torch.from_numpy(image), [torch.from_numpy(mask)]

    def _fill(self) -> None:
        rank, processes = idist.get_rank(), idist.get_world_size()
        for number, store in enumerate(self._stores):
            store.prepare({keys[number]: None for keys in self._keys}, _WAY_OUT, progress=rank == 0)
        self._make(self._lacking()[rank::processes], progress=rank == 0)
        idist.barrier()
        # What other processes wrote on disks of their own.
        self._make(self._lacking(), progress=False)

    def _lacking(self) -> list[list[int]]:
        """Return the entries of which something is not on the disk, those of one image together."""
        groups: dict[str, list[int]] = {}
        for index, keys in enumerate(self._keys):
            if any(store.get(key) is None for store, key in zip(self._stores, keys, strict=True)):
                groups.setdefault(str(self.entries[index]["image"]), []).append(index)
        return list(groups.values())

    def _make(self, groups: list[list[int]], progress: bool) -> None:
        with ThreadPool(THREADS) as pool:
            made = pool.imap_unordered(self._write, groups)
            for _ in tqdm(made, desc="Caching images", unit="image", total=len(groups), disable=not progress):
                pass

    def _write(self, group: list[int]) -> None:
        entries = [self.entries[index] for index in group]
        pixels, masks = self.read(str(entries[0]["image"]), [str(entry["label"]) for entry in entries])
        for index, mask in zip(group, masks, strict=True):
            for store, key, made in zip(self._stores, self._keys[index], (pixels, mask), strict=True):
                if store.get(key) is None:
                    store.put(key, made.numpy())


def _content(path: str) -> str:
    """Return what tells a file from others: its bytes, those of the file that holds its values, and its suffix."""
    try:
        holder = data_file_of(path) if path.lower().endswith(_HEADERS) else Path(path)
        return f"{Path(path).suffix.lower()} {file_sha256(Path(path))} {file_sha256(holder)}"
    except (OSError, DataError) as error:
        raise DataError(f"the image file {path!r} cannot be read: {error}") from error
