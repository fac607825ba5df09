"""What CLIPSeg takes: pictures resized and normalized, and the way back."""

from __future__ import annotations

import torch
from monai.config import KeysCollection
from torch.nn.functional import interpolate

from monai_vlsm.errors import DataError
from monai_vlsm.transforms.display_range import as_unit
from monai_vlsm.transforms.each import EachKeyd
from monai_vlsm.transforms.load import name_of
from monai_vlsm.transforms.upright import UprightView, upright_slices

STATES = "states"
"""Key of what the frozen vision encoder made of images, where it is kept."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def network_input(pictures: torch.Tensor, image_size: int) -> torch.Tensor:
    """Resize pictures (N, 3, H, W) to squares of ``image_size`` pixels and normalize them for CLIPSeg.

    Antialiased bilinear, as PIL resizes (test_preprocessing_equals_pil).

    Args:
        pictures: uint8, or float as :class:`ToDisplayRanged` gives them.
        image_size: height and width in pixels.

    Returns:
        (N, 3, ``image_size``, ``image_size``) float.
    """
    resized = torch.stack([_resized(picture, image_size) for picture in pictures])
    mean, std = _imagenet(resized)
    return (resized - mean) / std


def normalized_pixels(pixels: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Normalize pictures (N, 3, H, W) uint8, which have been resized, into ``out``: float of the same shape."""
    mean, std = _imagenet(out)
    size = images_at_a_time(out)
    for source, target in zip(pixels.split(size), out.split(size), strict=True):
        target.copy_(source).sub_(255 * mean).mul_(1 / (255 * std))
    return out


def images_at_a_time(batch: torch.Tensor) -> int:
    """Return how many images to take for several passes over them: on a CPU one, which stays in its cache."""
    return 1 if batch.device.type == "cpu" else max(1, len(batch))


def _resized(picture: torch.Tensor, image_size: int) -> torch.Tensor:
    """Resize (3, H, W) plane by plane: large pictures are never floats as a whole, gray ones are resized once."""
    planes = picture[:1] if picture.stride(0) == 0 else picture
    size = (image_size, image_size)
    resized = [interpolate(as_unit(plane)[None, None], size=size, mode="bilinear", antialias=True) for plane in planes]
    return torch.cat(resized, dim=1)[0].expand(3, -1, -1)


def denormalized(pictures: torch.Tensor) -> torch.Tensor:
    """Undo the normalization of :func:`network_input`: (N, 3, H, W) in [0, 1], for looking at."""
    mean, std = _imagenet(pictures)
    return pictures * std + mean


def _imagenet(like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean, std = (like.new_tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return mean, std


class ToNetworkImaged(EachKeyd):
    """Turn a loaded 2D image into what the network takes: (3, ``image_size``, ``image_size``), upright, normalized.

    Args:
        keys: of images (C, W, H) or (C, W, H, 1) as :class:`ToDisplayRanged` gives them.
        image_size: height and width in pixels.
    """

    def __init__(self, keys: KeysCollection, image_size: int, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_size = image_size

    def convert(self, value: torch.Tensor) -> torch.Tensor:
        """Return the input of the network for an image."""
        return network_input(_one_slice(value), self.image_size)[0]


class ToNetworkMaskd(ToNetworkImaged):
    """Turn a loaded 2D mask (1, W, H[, 1]) into (1, ``image_size``, ``image_size``), upright, nearest neighbor."""

    def convert(self, value: torch.Tensor) -> torch.Tensor:
        """Return a mask of the network's size."""
        picture = _one_slice(value)[:, :1]
        return interpolate(picture, size=(self.image_size, self.image_size), mode="nearest-exact")[0]


class ToPixelImaged(ToNetworkImaged):
    """Turn a loaded 2D image into (3, ``image_size``, ``image_size``) uint8, upright, as it is displayed.

    It takes a quarter of the memory of the network's input, which :class:`.PreparePixels` makes of it.
    """

    def convert(self, value: torch.Tensor) -> torch.Tensor:
        """Return the bytes of an image."""
        return _resized(_one_slice(value)[0], self.image_size).mul(255).round().to(torch.uint8)


class ToPixelMaskd(ToNetworkMaskd):
    """Turn a loaded 2D mask (1, W, H[, 1]) into (1, ``image_size``, ``image_size``) uint8 of 0 and 1, upright."""

    def convert(self, value: torch.Tensor) -> torch.Tensor:
        """Return the bytes of a mask."""
        return super().convert(value).to(torch.uint8)


def _one_slice(image: torch.Tensor) -> torch.Tensor:
    pictures = upright_slices(image, UprightView.of(image))
    if len(pictures) > 1:
        raise DataError(
            f"{name_of(image)!r} has {len(pictures)} slices: training takes one slice per entry of a datalist."
        )
    return pictures
