"""What an untouched vision encoder makes of images, computed once and read from the disk from then on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ignite.distributed as idist
import numpy as np
import torch
from monai.transforms import RandomizableTransform
from torch.utils.data import Dataset

from monai_vlsm.data.content_store import ContentStore, content_key
from monai_vlsm.errors import DataError
from monai_vlsm.transforms.network_input import STATES, normalized_pixels

_GLIMPSE = (slice(None), slice(None, None, 16), slice(None, None, 16))
"""Pixels that are compared whenever an image is taken: a transform that draws anew changes more than a few."""
_BITS = {torch.bfloat16: torch.uint16}
"""Types that NumPy lacks, and those that their bits are stored as."""
_WAY_OUT = (
    "make room, choose a folder on another disk (cache_dir), a precision of 16 bits or a part of the images "
    "(train_fraction), or set cache_features to false"
)


class _Image(NamedTuple):
    """What an image is known by."""

    key: str
    """Of its states."""
    glimpse: bytes
    """A few of its pixels."""


class FrozenStatesDataset(Dataset):
    """Items of another data set and, under ``states``, what the frozen vision encoder makes of their images.

    The encoder runs once for each distinct image, when this is built; several processes share the work. States are
    stored by all that they depend on: pixels of the image, backbone, precision, kind of device, version of PyTorch.

    Args:
        dataset: of items whose ``image`` (3, H, W) is the same in every epoch: uint8, or float and normalized.
        network: which leaves its vision encoder as it is, on the device where it is trained.
        folder: in which the store lies.
        batch_size: number of images that are encoded at a time.

    Raises:
        DataError: if the network changes its vision encoder, the data set draws its images anew, or the disk has too
            little room.
    """

    def __init__(self, dataset: Any, network: torch.nn.Module, folder: str | Path, batch_size: int) -> None:
        self.dataset = dataset
        bare: Any = getattr(network, "module", network)
        _require_frozen(bare)
        _require_no_drawing(dataset)
        first = _encode(bare, [dataset[0]["image"]])
        self._dtype = first.dtype
        facts = (bare.backbone_fingerprint, str(first.dtype), first.device.type, str(torch.__version__))
        self._images = [_look_at(dataset[index]["image"], facts) for index in range(len(dataset))]
        array = _as_array(first)
        self._store = ContentStore(Path(folder) / STATES, array.shape[1:], array.dtype.name)
        self._fill(bare, batch_size)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        item, image = self.dataset[index], self._images[index]
        if _glimpse(item["image"]) != image.glimpse:
            raise DataError(
                "an image is not what it was when training began: with cache_features it must be the same in every "
                "epoch. Take what changes images out of the configuration, or set cache_features to false."
            )
        array = self._store.get(image.key)
        if array is None:
            raise DataError(
                f"states of an image vanished from {str(self._store.folder)!r} while they were needed: go on with "
                "--resume True, which computes them anew."
            )
        return {**item, STATES: torch.from_numpy(array).view(self._dtype)}

    def _fill(self, network: Any, batch_size: int) -> None:
        def make(indices: list[int]) -> Iterable[np.ndarray]:
            return _as_array(_encode(network, [self.dataset[index]["image"] for index in indices]))

        indices = {image.key: index for index, image in enumerate(self._images)}
        rank, processes = idist.get_rank(), idist.get_world_size()
        missing = list(self._store.prepare(indices, _WAY_OUT, progress=rank == 0).items())
        self._store.fill(dict(missing[rank::processes]), make, batch_size, progress=rank == 0)
        idist.barrier()
        # What other processes wrote on disks of their own.
        self._store.fill(self._store.missing(indices), make, batch_size, progress=False)


def _require_frozen(network: Any) -> None:
    if not network.vision_is_frozen:
        raise DataError(
            f"cache_features must be false for the method {network.method!r} with these settings, because it changes "
            "the vision encoder while it trains. Methods that leave it as it is are 'shallow' and 'decoder', and "
            "'dense' with adapt_vision false."
        )
    if network.backbone.config.vision_config.attention_dropout:
        raise DataError(
            "cache_features must be false for this backbone: its vision encoder draws at random in training, because "
            "attention_dropout in its config.json is not 0."
        )


def _require_no_drawing(dataset: Any) -> None:
    transforms = getattr(getattr(dataset, "transform", None), "transforms", ())
    drawing = [type(transform).__name__ for transform in transforms if isinstance(transform, RandomizableTransform)]
    if drawing:
        raise DataError(
            f"cache_features must be false where images are drawn anew in every epoch, as {drawing[0]} does; or set "
            "augment to 'none'."
        )


def _encode(network: Any, images: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return the states (B, S, 1 + h * w, D) of images as training would compute them."""
    batch = torch.stack([torch.as_tensor(image) for image in images]).to(next(network.parameters()).device)
    if batch.dtype == torch.uint8:
        batch = normalized_pixels(batch, torch.empty(batch.shape, device=batch.device))
    return network.frozen_states(batch)


def _as_array(states: torch.Tensor) -> np.ndarray:
    return states.cpu().view(_BITS.get(states.dtype, states.dtype)).numpy()


def _look_at(image: torch.Tensor, facts: tuple[str, ...]) -> _Image:
    pixels = np.ascontiguousarray(image)
    digest = hashlib.sha256(pixels.data).hexdigest()
    return _Image(content_key(digest, str(pixels.dtype), str(pixels.shape), *facts), _glimpse(image))


def _glimpse(image: torch.Tensor) -> bytes:
    return np.asarray(image)[_GLIMPSE].tobytes()
