"""Where the part of an item comes from that is the same in every epoch: image and mask, read anew or kept in memory."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from monai.transforms import Compose
from tqdm.auto import tqdm

from monai_vlsm.data.memory import require_memory
from monai_vlsm.transforms.prompt import NAME

THREADS = 2
"""That fill a cache; more make it no faster, as decoding and resizing take turns with Python."""
_logger = logging.getLogger("monai_vlsm")

Entry = Mapping[Hashable, Any]


class PairReader:
    """Read an image and its masks as bytes of the network's size, the image once.

    Args:
        load_image: transforms of ``image``, a file.
        load_mask: transforms of ``label``, a file, beside the loaded ``image``.
        to_pixels: transforms of either of them, as loaded, into uint8 tensors.
    """

    def __init__(self, load_image: Sequence[Any], load_mask: Sequence[Any], to_pixels: Sequence[Any]) -> None:
        self.transforms = [*load_image, *load_mask, *to_pixels]
        self._load_image, self._load_mask, self._to_pixels = map(Compose, (load_image, load_mask, to_pixels))

    def __call__(self, image: str, labels: Sequence[str]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return image (3, H, W) and masks (1, H, W) of files, uint8."""
        loaded = self._load_image({"image": image})
        masks = [self._load_mask({**loaded, "label": label})["label"] for label in labels]
        return self._pixels("image", loaded["image"]), [self._pixels("label", mask) for mask in masks]

    def _pixels(self, key: str, loaded: torch.Tensor) -> torch.Tensor:
        # Without metadata: those of PNG and NIfTI do not fit into one batch.
        return self._to_pixels({key: loaded})[key].as_subclass(torch.Tensor)


class ItemsFromFiles(Sequence):
    """Entries of a datalist with their images and masks, read whenever one is taken.

    Args:
        entries: with the files ``image`` and ``label``.
        read: reads them.
    """

    def __init__(self, entries: Sequence[Entry], read: PairReader) -> None:
        self.entries = entries
        self.read = read

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> dict[Hashable, Any]:  # type: ignore[override]
        """Return an entry with ``image`` (3, H, W) and ``label`` (1, H, W) uint8, and the name of its image."""
        entry = self.entries[index]
        image, (label,) = self._pair(index)
        return {**entry, NAME: str(entry["image"]), "image": image, "label": label}

    def _pair(self, index: int) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        entry = self.entries[index]
        return self.read(str(entry["image"]), [str(entry["label"])])


class ItemsInMemory(ItemsFromFiles):
    """The same, read once when this is built; an image is decoded and kept once for all entries that show it.

    Raises:
        DataError: if they do not fit into memory, before any is taken for them.
    """

    def __init__(self, entries: Sequence[Entry], read: PairReader) -> None:
        super().__init__(entries, read)
        files = [(str(entry["image"]), str(entry["label"])) for entry in entries]
        self._rows: dict[str, int] = {}
        self._mask_rows: dict[tuple[str, str], int] = {}
        for image, label in files:
            self._rows.setdefault(image, len(self._rows))
            self._mask_rows.setdefault((image, label), len(self._mask_rows))
        self._of_entry = [(self._rows[pair[0]], self._mask_rows[pair]) for pair in files]
        if files:
            self._fill()

    def _pair(self, index: int) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        row, mask_row = self._of_entry[index]
        return self._images[row], [self._masks[mask_row]]

    def _fill(self) -> None:
        """Read all images: the first says how large they are."""
        labels: dict[str, list[str]] = {image: [] for image in self._rows}
        for image, label in self._mask_rows:
            labels[image].append(label)
        first, *others = labels.items()
        pixels, masks = self.read(*first)
        self._announce(pixels.nbytes * len(labels) + masks[0].nbytes * len(self._mask_rows))
        self._images = torch.empty(len(labels), *pixels.shape, dtype=pixels.dtype)
        self._masks = torch.empty(len(self._mask_rows), *masks[0].shape, dtype=masks[0].dtype)
        self._keep(first, (pixels, masks))
        pool = ThreadPoolExecutor(THREADS)
        try:
            kept = pool.map(lambda pair: self._keep(pair, self.read(*pair)), others)
            for _ in tqdm(kept, desc="reading images", total=len(labels), initial=1):
                pass
        finally:
            # Where one cannot be read, the others need not be.
            pool.shutdown(cancel_futures=True)

    def _keep(self, files: tuple[str, list[str]], pixels: tuple[torch.Tensor, list[torch.Tensor]]) -> None:
        image, labels = files
        self._images[self._rows[image]] = pixels[0]
        for label, mask in zip(labels, pixels[1], strict=True):
            self._masks[self._mask_rows[image, label]] = mask

    def _announce(self, size: int) -> None:
        images, masks = len(self._rows), len(self._mask_rows)
        _logger.info(
            f"Cache in memory: {len(self.entries):,} entries show {images:,} images with {masks:,} masks, which take "
            f"{size / 1e6:,.1f} MB."
        )
        require_memory(
            size,
            f"keep {images:,} images with {masks:,} masks in memory",
            "Keep them on the disk (--cache disk), or read them anew in every epoch (--cache none).",
        )
