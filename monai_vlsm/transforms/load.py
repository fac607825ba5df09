"""Images and masks from any file, as values in the axes of the file."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from PIL import Image

from monai_vlsm.data.absent import NO_LABEL
from monai_vlsm.data.names import is_raster
from monai_vlsm.data.pictures import mask_values, open_picture, rgb_values
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.transforms.display_range import CHANNEL_AXIS, ToDisplayRanged, as_unit, check_values, with_metadata
from monai_vlsm.transforms.medical import read_medical
from monai_vlsm.transforms.upright import UprightView, is_medical

TWO_DIMENSIONAL = "two_dimensional"
"""Metadata key of medical files with two axes, which get a third while they are worked on."""

_KEPT_TYPES = (np.uint8, np.int8, np.int16)
"""Kept as they are; all others become float32."""


def load_image(path: str | Path) -> torch.Tensor:
    """Return the image of a file as float32 (C, W, H[, D]) in [0, 1], for looking at and comparing.

    Raises: as :class:`LoadImageAnyd`.
    """
    image = ToDisplayRanged("image")(LoadImageAnyd("image")({"image": path}))["image"]
    return as_unit(image)


def read_file(given: str | Path | Sequence[str | Path], convert: Callable[[Image.Image], np.ndarray]) -> MetaTensor:
    """Read one image as it is stored: (C, W, H) of pictures, (C, W, H, D) of medical files.

    Args:
        given: its file, whose suffix says what may decode it; or the files of one DICOM series.
        convert: from a picture to its values (H, W[, C]).

    Returns:
        uint8, int8, int16 or float32 with the metadata of the file, or of the first.

    Raises:
        MissingFileError: if it does not exist.
        DataError: if it cannot be used; every failure names the file.
    """
    paths = [Path(path).expanduser() for path in ([given] if isinstance(given, (str, Path)) else given)]
    for path in paths:
        if not os.path.exists(path):  # Path.exists raises where a name is too long
            raise MissingFileError(f"there is no file {str(path.absolute())!r}.")
    if not paths:
        raise DataError("no files were given for an image.")
    try:
        is_picture = len(paths) == 1 and is_raster(paths[0])
        image = _read_raster(paths[0], convert) if is_picture else _read_medical(paths)
        check_values(image.as_tensor())
        if is_medical(image):
            UprightView.of(image)
    except Exception as error:
        what = f"the image file {str(paths[0])!r}" + (f" (with {len(paths) - 1} more)" if len(paths) > 1 else "")
        raise DataError(f"{what} cannot be read: {_reason(error)}") from error
    return image


def _read_raster(path: Path, convert: Callable[[Image.Image], np.ndarray]) -> MetaTensor:
    with open_picture(path) as picture:
        values = convert(picture)
    tensor = _compact(values)
    tensor = tensor.T.expand(3, -1, -1) if tensor.ndim == 2 and convert is rgb_values else _channel_first(tensor)
    meta = {"filename_or_obj": str(path), "spatial_shape": np.array(tensor.shape[1:]), CHANNEL_AXIS: 0}
    return with_metadata(tensor, meta)


def _channel_first(tensor: torch.Tensor) -> torch.Tensor:
    """Return (C, W, H) of (H, W[, C])."""
    return tensor.T[None] if tensor.ndim == 2 else tensor.permute(2, 1, 0)


def _read_medical(paths: Sequence[Path]) -> MetaTensor:
    """Give medical files the axes (C, W, H, D): 2D files get a D, color files with five axes lose the fourth."""
    array, meta = read_medical(paths if len(paths) > 1 else paths[0])
    channel = meta[CHANNEL_AXIS]
    tensor = _compact(array)
    tensor = tensor[None] if channel is None else tensor.movedim(channel, 0)
    while tensor.ndim > 4 and tensor.shape[-1] == 1:
        tensor = tensor[..., 0]
    if tensor.ndim == 3:
        tensor = tensor[..., None]
        meta[TWO_DIMENSIONAL] = True
    meta |= {"filename_or_obj": str(paths[0]), "spatial_shape": np.array(tensor.shape[1:]), CHANNEL_AXIS: 0}
    return with_metadata(tensor[:3], meta)


def _compact(array: np.ndarray) -> torch.Tensor:
    """Return values in a type that is small and that PyTorch computes with, in the same order in memory."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"its values are of the type {array.dtype}, expected are whole or real numbers")
    wanted: Any = np.uint8 if array.dtype == bool else array.dtype if array.dtype in _KEPT_TYPES else np.float32
    wanted = np.dtype(wanted).newbyteorder("=")
    # Axes that memory runs through backwards, and memory that belongs to the file, are not PyTorch's.
    usable = array.flags.writeable and all(stride >= 0 for stride in array.strides)
    with np.errstate(over="ignore"):
        return torch.from_numpy(array.astype(wanted, order="K", copy=not usable))


def _reason(error: Exception) -> str:
    """Return a short message as it is; of a long one, which quotes tracebacks, the last line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(lines if len(lines) <= 2 else lines[-1:])


class LoadFiled(MapTransform):
    """Load the file under each key with one converter for raster files; subclasses finish what was loaded.

    Not a LoadImaged: MONAI Label sets ``image_only=False`` on every LoadImaged it finds, which changes what it returns.
    """

    def __init__(
        self, keys: KeysCollection, converter: Callable[[Image.Image], np.ndarray], allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self._converter = converter

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load the files named in ``data``."""
        loaded = dict(data)
        for key in self.key_iterator(loaded):
            loaded[key] = self.load(loaded, key)
        return loaded

    def load(self, data: Mapping[Hashable, Any], key: Hashable) -> torch.Tensor:
        """Return what the file under ``key`` holds."""
        return self.finish(read_file(data[key], self._converter))

    def finish(self, loaded: MetaTensor) -> torch.Tensor:
        """Turn a MetaTensor (C, W, H[, D]) of the values in the file into what the subclass promises."""
        return loaded


class LoadImageAnyd(LoadFiled):
    """Load images of any format: raster files and DICOM as displayed, other medical ones as stored, with affine.

    An image is a file, a folder with a DICOM series, or a sequence of the series' files. Sets each key to a MetaTensor
    (C, W, H) or (C, W, H, D), C being 1 or 3. :class:`ToDisplayRanged` goes on with it; it is a step of its own because
    MONAI Deploy takes this one out and gives an image in memory.

    Raises:
        MissingFileError: if a file does not exist.
        DataError: if a file is damaged, too large (``MONAI_VLSM_MAX_PIXELS``), holds NaN, or is of a kind
            that cannot be shown; the message names it.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, rgb_values, allow_missing_keys)


class LoadMaskd(LoadFiled):
    """Load binary masks of any format; each key becomes a MetaTensor (1, W, H[, D]) of 0 and 1.

    Raster masks may be 0 / 1 or 0 / 255, gray, color or indexed; in medical files all above 0 is mask. Where there is
    no file (``""``), because the image does not show what its prompt asks for, the mask is empty.

    Args:
        keys: of the files.
        like: key of the loaded image, whose size and metadata an empty mask has.

    Raises: as :class:`LoadImageAnyd`.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False, like: str = "image") -> None:
        super().__init__(keys, mask_values, allow_missing_keys)
        self.like = like

    def load(self, data: Mapping[Hashable, Any], key: Hashable) -> torch.Tensor:
        """Return the mask of the file under ``key``, or an empty one."""
        if data[key] != NO_LABEL:
            return super().load(data, key)
        image = data[self.like]
        empty = torch.zeros(1, *image.shape[1:])
        return with_metadata(empty, {**image.meta, "filename_or_obj": NO_LABEL})

    def finish(self, loaded: MetaTensor) -> torch.Tensor:
        """Join the channels into 0 and 1."""
        joined = loaded if len(loaded) == 1 else loaded.amax(dim=0, keepdim=True)
        return (joined > 0).float()


class EnsureSameSized(MapTransform):
    """Check that an image and its masks are of one size, and lay medical masks of pictures on the picture's pixels.

    Annotation tools return the mask of a PNG as NIfTI. Whatever affine they make up, its voxels are the pixels: such a
    mask is passed on without the metadata that would turn it (``is_medical``).

    Raises:
        DataError: naming both files and sizes in pixels.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Compare all keys with the first."""
        result = dict(data)
        first, *others = self.key_iterator(result)
        for key in others:
            image, mask = result[first], result[key]
            if _plane(image) != _plane(mask):
                raise DataError(
                    f"image {name_of(image)!r} is {_plane(image)} and its mask {name_of(mask)!r} {_plane(mask)} "
                    "pixels large (width, height, slices): they must be equal."
                )
            if is_raster(name_of(image)) and is_medical(mask):
                meta = {name: value for name, value in mask.meta.items() if name != "space"}
                result[key] = with_metadata(mask.as_tensor(), meta)
        return result


def load_pair(image: str, label: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return image (C, W, H[, D]) and mask (1, W, H[, D]) of files as an evaluation loads them; no mask is ``""``.

    Raises: as :class:`LoadImageAnyd` and :class:`EnsureSameSized`.
    """
    item: Any = {"image": image, "label": label}
    steps = (LoadImageAnyd("image"), ToDisplayRanged("image"), LoadMaskd("label"), EnsureSameSized(["image", "label"]))
    for step in steps:
        item = step(item)
    return item["image"], item["label"]


def _plane(image: torch.Tensor) -> tuple[int, ...]:
    return tuple(image.shape[1:]) if image.ndim == 4 else (*image.shape[1:], 1)


def name_of(image: torch.Tensor) -> str:
    """Return the file that ``image`` was read from."""
    return str(getattr(image, "meta", {}).get("filename_or_obj", "from memory"))
