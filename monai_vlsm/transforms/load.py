"""Images and masks from any file, as values in the axes of the file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, PILReader
from monai.transforms import LoadImage, MapTransform
from PIL import Image, ImageOps

from monai_vlsm.data.names import is_nifti, is_raster
from monai_vlsm.data.pictures import mask_of_picture
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.transforms.nifti import NiftiReader

TWO_DIMENSIONAL = "two_dimensional"
"""Metadata key of medical files with two axes, which get a third while they are worked on."""

SIXTEEN_BIT_OR_MORE = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""PIL's names of pictures with more than 8 bits."""


def to_unit_range(values: torch.Tensor) -> torch.Tensor:
    """Map intensities to [0, 1] float32.

    Whole numbers within 0..255 are taken as 8-bit grey values. Anything else has no defined range for display and is
    stretched between its percentiles 0.5 and 99.5 (over the whole volume, so that its slices stay comparable).
    """
    values = values.float()
    if values.min() >= 0 and values.max() <= 255 and torch.equal(values, values.round()):
        return values / 255
    flat = values.flatten()
    flat = flat[:: max(1, flat.numel() // 1_000_000)]
    low, high = torch.quantile(flat, torch.tensor([0.005, 0.995], device=flat.device))
    return ((values - low) / (high - low).clamp_min(1e-8)).clamp(0, 1)


def raster_to_rgb(image: Image.Image) -> Image.Image:
    """Return ``image`` as a viewer shows it: 8-bit RGB, turned as its EXIF data says, transparency ignored."""
    image = single_picture(image)
    if image.mode in SIXTEEN_BIT_OR_MORE:
        unit = to_unit_range(torch.from_numpy(np.array(image, dtype=np.float32)))
        image = Image.fromarray((unit * 255).round().to(torch.uint8).numpy())
    return keep_format(image.convert("RGB"), image)


def raster_to_mask(image: Image.Image) -> Image.Image:
    """Return ``image`` as an 8-bit mask of 0 and 255.

    What is foreground is said in :func:`monai_vlsm.data.pictures.mask_of_picture`.
    """
    return keep_format(Image.fromarray(mask_of_picture(image).astype(np.uint8) * 255), image)


def single_picture(image: Image.Image) -> Image.Image:
    """Return ``image`` turned as its EXIF data says; several pictures in one file are refused."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"it holds {frames} pictures, one is expected: save them as files of their own")
    turned = ImageOps.exif_transpose(image)
    return keep_format(turned, image)


def keep_format(image: Image.Image, source: Image.Image) -> Image.Image:
    """Say that ``image`` came from a file like that of ``source``, which MONAI's reader asks for."""
    image.format = source.format or ""
    return image


class _Load(LoadImage):
    """Read one file into a channel-first MetaTensor; every failure is a DataError that names the file."""

    def __init__(self, converter: Callable[[Image.Image], Image.Image]) -> None:
        super().__init__(image_only=True, ensure_channel_first=True)
        self._raster_reader, self._nifti_reader = PILReader(converter=converter), NiftiReader()

    def __call__(self, filename: Any, reader: Any = None) -> torch.Tensor:
        if not Path(filename).exists():
            raise MissingFileError(f"there is no file {str(Path(filename).absolute())!r}.")
        own = self._raster_reader if is_raster(filename) else self._nifti_reader if is_nifti(filename) else reader
        try:
            data = super().__call__(filename, own)
        except Exception as error:
            raise DataError(f"the image file {str(filename)!r} cannot be read: {_reason(error)}") from error
        if not torch.isfinite(data).all():
            raise DataError(f"the image file {str(filename)!r} holds values that are not finite (NaN or infinity).")
        return self._arrange(data, filename)

    def _arrange(self, data: Any, filename: str | Path) -> torch.Tensor:
        """Give medical files the axes (C, W, H, D): 2D files get a D, colour files with five axes lose the fourth."""
        if not is_raster(filename):
            while data.ndim > 4 and data.shape[-1] == 1:
                data = data[..., 0]
            if data.ndim == 3:
                data = data[..., None]
                data.meta[TWO_DIMENSIONAL] = True
            data.meta["spatial_shape"] = np.array(data.shape[1:])
        if data.ndim not in (3, 4) or data.shape[0] not in (1, 3, 4):
            raise DataError(
                f"the image file {str(filename)!r} has the shape {tuple(data.shape)} (channels first): expected are 1 "
                "grey or 3 colour channels and 2 or 3 spatial axes."
            )
        return data[:3]


def _reason(error: Exception) -> str:
    """Return a short message as it is; of a long one, which quotes tracebacks, the last line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines if len(lines) <= 2 else lines[-1:])


class LoadFiled(MapTransform):
    """Load the file under each key with one converter for raster files; subclasses finish what was loaded.

    No LoadImaged: MONAI Label changes what those return.
    """

    def __init__(
        self, keys: KeysCollection, converter: Callable[[Image.Image], Image.Image], allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self._load = _Load(converter)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load the files named in ``data``."""
        loaded = dict(data)
        for key in self.key_iterator(loaded):
            loaded[key] = self.finish(self._load(loaded[key]))
        return loaded

    def finish(self, loaded: Any) -> Any:
        """Turn a MetaTensor (C, W, H[, D]) of the values in the file into what the subclass promises."""
        raise NotImplementedError


class LoadImageAnyd(LoadFiled):
    """Load images of any format: raster files as displayed (RGB), medical files with their affine.

    Sets each key to a MetaTensor (C, W, H) or (C, W, H, D) of float32 in [0, 1], C being 1 or 3.

    Raises:
        MissingFileError: if a file does not exist.
        DataError: if a file is damaged, holds NaN, or is of a kind that cannot be shown; the message names it.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, raster_to_rgb, allow_missing_keys)

    def finish(self, loaded: Any) -> Any:
        """Map intensities to [0, 1]."""
        return to_unit_range(loaded)


class LoadMaskd(LoadFiled):
    """Load binary masks of any format; each key becomes a MetaTensor (1, W, H[, D]) of 0 and 1.

    Raster masks may be 0 / 1 or 0 / 255, grey, colour or indexed; in medical files all above 0 is mask.

    Raises: as :class:`LoadImageAnyd`.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, raster_to_mask, allow_missing_keys)

    def finish(self, loaded: Any) -> Any:
        """Join the channels into 0 and 1."""
        return (loaded.amax(dim=0, keepdim=True) > 0).float()


class EnsureSameSized(MapTransform):
    """Refuse an image and a mask that differ in size, and lay medical masks of raster pictures on their pixels.

    Annotation tools return the mask of a PNG as NIfTI; whatever affine they make up, its voxels are the pixels.

    Raises:
        DataError: naming both files and sizes in pixels.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Compare all keys with the first."""
        first, *others = (data[key] for key in self.key_iterator(dict(data)))
        for other in others:
            if _plane(first) != _plane(other):
                raise DataError(
                    f"image {name_of(first)!r} is {_plane(first)} and its mask {name_of(other)!r} {_plane(other)} "
                    "pixels large (width, height, slices): they must be equal."
                )
            if is_raster(name_of(first)) and isinstance(other, MetaTensor):
                other.meta.pop("space", None)
        return dict(data)


def _plane(image: torch.Tensor) -> tuple[int, ...]:
    return tuple(image.shape[1:]) if image.ndim == 4 else (*image.shape[1:], 1)


def name_of(image: torch.Tensor) -> str:
    """Return the file that ``image`` was read from."""
    return str(getattr(image, "meta", {}).get("filename_or_obj", "from memory"))
