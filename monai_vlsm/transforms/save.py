"""Masks back to files, in the size, orientation and kind of the image they belong to."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import SaveImaged
from monai.utils import MetaKeys
from PIL import Image

from monai_vlsm.data.names import is_raster, stem_of
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.transforms.each import EachKeyd
from monai_vlsm.transforms.load import TWO_DIMENSIONAL


class SaveImageMaskd(SaveImaged):
    """Write masks beside each other into one folder: PNG (0 / 255) for raster images, NIfTI (0 / 1) for all others.

    MONAI's SaveImaged has one file type for a whole run and drops the third axis of one-slice volumes. This is a
    SaveImaged nevertheless, and called SaveImage..., because MONAI Label and MONAI Deploy take those out of a bundle.
    As with MONAI's, the metadata key ``saved_to`` of a mask tells its file.

    Args:
        keys: of the masks (1, W, H[, D]); their metadata names the image.
        output_dir: folder, made if it is not there. A mask is called as its image, with ``postfix``; where that name
            is taken by another image of the run, suffix and folders of the image become part of it.
        postfix: behind the name of the image.

    Raises:
        DataError: if the disk is full or the folder cannot be written; no half-written mask stays behind.
    """

    def __init__(self, keys: KeysCollection, output_dir: str | Path, postfix: str = "mask") -> None:
        super().__init__(keys, output_dir=str(output_dir), print_log=False)
        self.output_dir = Path(output_dir)
        self.postfix = postfix
        self._written: dict[Path, str] = {}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the masks in ``data``; nothing in it but their metadata is changed."""
        for key in self.key_iterator(dict(data)):
            self._save(data[key])
        return dict(data)

    def _save(self, mask: Any) -> None:
        source = str(mask.meta["filename_or_obj"])
        path = self._path(source)
        array = mask.as_subclass(torch.Tensor)[0].cpu().numpy().astype(np.uint8)
        with replace_whole(path) as part:
            if is_raster(source):
                Image.fromarray(array.T * 255).save(part)
            else:
                save_volume(array, mask, part)
        self._written[path] = source
        mask.meta[MetaKeys.SAVED_TO] = str(path)

    def _path(self, source: str) -> Path:
        suffix = ".png" if is_raster(source) else ".nii.gz"
        paths = (self.output_dir / f"{name}_{self.postfix}{suffix}" for name in _names(Path(source)))
        return next(path for path in paths if self._written.get(path, source) == source)


class SqueezePictured(EachKeyd):
    """Take the channel off masks of pictures: (1, W, H) becomes (W, H), volumes (1, W, H, D) stay as they are.

    MONAI Label takes (1, W, H) for a volume of the width 1; it takes the channel off volumes itself, as MONAI Deploy
    does, which fails where there is none.
    """

    def convert(self, value: torch.Tensor) -> torch.Tensor:
        """Return a mask without its channel, or a volume as it is."""
        return value[0] if value.ndim == 3 else value


def save_volume(values: np.ndarray, image: Any, path: Path, slope: float | None = None) -> None:
    """Write values as NIfTI into the space of the image that they belong to.

    Args:
        values: (W, H, D) of any type that NIfTI has.
        image: MetaTensor (C, W, H, D) as it was loaded; of a file with two axes, values get two as well.
        path: of the file.
        slope: what readers multiply the values with; None leaves them.
    """
    values = values[..., 0] if image.meta.get(TWO_DIMENSIONAL) else values
    affine = np.asarray(image.meta.get("original_affine", image.affine), dtype=float)
    volume = nibabel.Nifti1Image(values, affine)
    if slope is not None:
        volume.header.set_slope_inter(slope, 0.0)
    nibabel.save(volume, path)


def _names(source: Path) -> Iterator[str]:
    """Yield names for ``source``: without suffix, then with suffix and ever more folders, then with a number."""
    stem = stem_of(source)
    yield stem
    parts = source.relative_to(source.anchor).parts
    for first in range(max(len(parts) - 2, 0), -1, -1):
        yield "_".join(parts[first:]).replace(".", "_")
    yield from (f"{stem}_{number}" for number in count(2))
