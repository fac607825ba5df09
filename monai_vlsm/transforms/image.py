"""Images and masks from any file, and the way from an array as it is stored to the upright picture a network sees."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, PILReader
from monai.transforms import LoadImage, MapTransform
from nibabel.orientations import aff2axcodes
from PIL import Image, ImageOps
from torch.nn.functional import interpolate

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.transforms.nifti import NiftiReader, is_nifti

RASTER_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
TWO_DIMENSIONAL = "two_dimensional"
"""Metadata key of medical files with two axes, which get a third while they are worked on."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_SIXTEEN_BIT_OR_MORE = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def is_raster(filename: str | Path) -> bool:
    """Tell whether ``filename`` is a picture for the screen, as opposed to a medical format with an affine."""
    return str(filename).lower().endswith(RASTER_SUFFIXES)


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
    image = _single_picture(image)
    if image.mode in _SIXTEEN_BIT_OR_MORE:
        unit = to_unit_range(torch.from_numpy(np.array(image, dtype=np.float32)))
        image = Image.fromarray((unit * 255).round().to(torch.uint8).numpy())
    return _keep_format(image.convert("RGB"), image)


def raster_to_mask(image: Image.Image) -> Image.Image:
    """Return ``image`` as an 8-bit mask of 0 and 255.

    Indexed colours count by their index (0 is background), pictures by their brightest channel: values of 0 and 1, or
    more than half of the range. A mask in between would be taken as empty, and is refused.
    """
    image = _single_picture(image)
    if image.mode == "P":
        mask = np.array(image) > 0
    else:
        wide = image.mode in _SIXTEEN_BIT_OR_MORE
        values = np.array(image if wide else image.convert("RGB"))
        values = values.max(axis=-1) if values.ndim == 3 else values
        brightest = values.max()
        full_range = 1 if brightest <= 1 else 255 if brightest <= 255 else 65535
        if 0 < brightest <= full_range / 2:
            raise DataError(
                f"its brightest value is {brightest}, expected is a mask of 0 and 1, or of 0 and {full_range}"
            )
        mask = values > full_range / 2
    return _keep_format(Image.fromarray(mask.astype(np.uint8) * 255), image)


def _single_picture(image: Image.Image) -> Image.Image:
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise DataError(f"it holds {frames} pictures, one is expected: save them as files of their own")
    turned = ImageOps.exif_transpose(image)
    return _keep_format(turned, image)


def _keep_format(image: Image.Image, source: Image.Image) -> Image.Image:
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


class LoadEachd(MapTransform):
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


class LoadPictured(LoadEachd):
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


class LoadMaskd(LoadEachd):
    """Load binary masks of any format; each key becomes a MetaTensor (1, W, H[, D]) of 0 and 1.

    Raster masks may be 0 / 1 or 0 / 255, grey, colour or indexed; in medical files all above 0 is mask.

    Raises: as :class:`LoadPictured`.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, raster_to_mask, allow_missing_keys)

    def finish(self, loaded: Any) -> Any:
        """Join the channels into 0 and 1."""
        return (loaded.amax(dim=0, keepdim=True) > 0).float()


class SameSized(MapTransform):
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
                    f"image {_name(first)!r} is {_plane(first)} and its mask {_name(other)!r} {_plane(other)} pixels "
                    "large (width, height, slices): they must be equal."
                )
            if is_raster(_name(first)) and isinstance(other, MetaTensor):
                other.meta.pop("space", None)
        return dict(data)


def _plane(image: torch.Tensor) -> tuple[int, ...]:
    return tuple(image.shape[1:]) if image.ndim == 4 else (*image.shape[1:], 1)


def _name(image: torch.Tensor) -> str:
    return str(getattr(image, "meta", {}).get("filename_or_obj", "from memory"))


@dataclass(frozen=True)
class UprightView:
    """How the first two spatial axes of a stored array become rows and columns of the picture a person sees.

    Raster pictures are stored as (W, H). In medical files the plane of the first two axes is shown as radiologists see
    it: columns run to the patient's left (or, in sagittal planes, to the back), rows to the back (or to the feet).

    Args:
        swap: whether the first axis runs along the columns of the picture.
        flip_rows: whether the picture's rows run against the array.
        flip_columns: whether the picture's columns run against the array.
    """

    swap: bool = True
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def of(cls, image: torch.Tensor, index: int = 0) -> UprightView:
        """Return the view of item ``index`` in a batch (B, C, W, H[, D]), or of an image with one item's affine."""
        meta = getattr(image, "meta", {})
        space = meta.get("space")
        space = space[index] if isinstance(space, (list, tuple)) else space
        if not space:
            return cls()
        affine = torch.as_tensor(image.affine)  # type: ignore[attr-defined]
        return cls.of_affine(affine[index] if affine.ndim == 3 else affine)

    @classmethod
    def of_affine(cls, affine: torch.Tensor) -> UprightView:
        """Return the view of arrays with ``affine`` (4, 4), from voxels to millimetres in RAS."""
        first, second = aff2axcodes(np.asarray(affine, dtype=float))[:2]
        if first is None or second is None:
            return cls()
        swap = _display_rank(first) < _display_rank(second)
        column, row = (first, second) if swap else (second, first)
        return cls(swap=swap, flip_rows=row in "RAS", flip_columns=column in "RAS")

    def apply(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (..., W, H) as stored into (..., rows, columns)."""
        image = image.transpose(-1, -2) if self.swap else image
        return image.flip(self._flipped()) if self._flipped() else image

    def undo(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (..., rows, columns) back into (..., W, H) as stored."""
        image = image.flip(self._flipped()) if self._flipped() else image
        return image.transpose(-1, -2) if self.swap else image

    def _flipped(self) -> list[int]:
        return [axis for axis, flip in ((-2, self.flip_rows), (-1, self.flip_columns)) if flip]


def _display_rank(code: str) -> int:
    return next(rank for rank, pair in enumerate(("LR", "PA", "IS")) if code in pair)


def upright_slices(image: torch.Tensor, view: UprightView) -> torch.Tensor:
    """Return all slices of ``image`` (C, W, H[, D]) as upright RGB pictures (D, 3, rows, columns)."""
    image = image.as_subclass(torch.Tensor)
    slices = image.movedim(-1, 0) if image.ndim == 4 else image[None]
    return view.apply(slices).expand(-1, 3, -1, -1)


def network_input(pictures: torch.Tensor, image_size: int) -> torch.Tensor:
    """Resize pictures (N, 3, H, W) in [0, 1] to squares of ``image_size`` pixels and normalise them for CLIPSeg.

    Antialiased bilinear, as PIL resizes (test_preprocessing_equals_pil).
    """
    pictures = interpolate(pictures, size=(image_size, image_size), mode="bilinear", antialias=True)
    mean, std = _imagenet(pictures)
    return (pictures - mean) / std


def denormalised(pictures: torch.Tensor) -> torch.Tensor:
    """Undo the normalisation of :func:`network_input`: (N, 3, H, W) in [0, 1], for looking at."""
    mean, std = _imagenet(pictures)
    return pictures * std + mean


def _imagenet(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (like.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return mean, std


class NetworkImaged(MapTransform):
    """Turn a loaded 2D image into what the network takes: (3, ``image_size``, ``image_size``), upright, normalised.

    Args:
        keys: of images (C, W, H) or (C, W, H, 1) in [0, 1].
        image_size: height and width in pixels.
    """

    def __init__(self, keys: KeysCollection, image_size: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_size = image_size

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the images in ``data``."""
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = network_input(_one_slice(result[key]), self.image_size)[0]
        return result


class NetworkMaskd(NetworkImaged):
    """Turn a loaded 2D mask (1, W, H[, 1]) into (1, ``image_size``, ``image_size``), upright, nearest neighbour."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the masks in ``data``."""
        result = dict(data)
        for key in self.key_iterator(result):
            picture = _one_slice(result[key])[:, :1]
            result[key] = interpolate(picture, size=(self.image_size, self.image_size), mode="nearest-exact")[0]
        return result


def _one_slice(image: torch.Tensor) -> torch.Tensor:
    pictures = upright_slices(image, UprightView.of(image))
    if len(pictures) > 1:
        raise DataError(
            f"{_name(image)!r} has {len(pictures)} slices: training takes one slice per entry of a datalist."
        )
    return pictures
