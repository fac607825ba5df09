"""Pictures to one-slice NIfTI files, which 3D Slicer handles best, and such files back to pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from monai_vlsm.data.names import is_nifti, is_raster, stem_of
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import LoadImageAnyd, LoadMaskd
from monai_vlsm.transforms.upright import UprightView, upright_slices

_COLOR = np.dtype([(name, np.uint8) for name in "RGB"])
"""NIfTI's data type RGB24."""


def to_nifti(path: str | Path, target: Path, spacing: float = 1.0, gray: bool = False) -> None:
    """Write a picture as NIfTI with one slice; its pixels keep their places and Slicer shows it upright.

    Args:
        path: of a PNG, JPG, TIFF ...
        target: file to write.
        spacing: width and height of a pixel in millimeters.
        gray: whether to turn colors into brightness; Slicer paints labels over gray images only.

    Raises:
        DataError: if it is no picture, or cannot be read.
    """
    if not is_raster(path):
        raise DataError(f"{str(path)!r} is no picture (PNG, JPG, TIFF ...).")
    stored = _bytes(LoadImageAnyd("image")({"image": str(path)})["image"].numpy())  # (3, W, H)
    if gray or (stored == stored[:1]).all():
        red, green, blue = stored.astype(np.float32)
        values = (0.299 * red + 0.587 * green + 0.114 * blue).round().astype(np.uint8)
    else:
        values = np.ascontiguousarray(np.moveaxis(stored, 0, -1)).view(_COLOR)[..., 0]
    # In RAS millimeters: columns run to the patient's left, rows to the back, as in any picture that Slicer opens.
    image = nibabel.Nifti1Image(values[..., None], np.diag([-spacing, -spacing, 1, 1]))
    with replace_whole(target) as part:
        nibabel.save(image, part)


def to_png(path: str | Path, target: Path, mask: bool = False) -> None:
    """Write a one-slice NIfTI file as an upright picture; the inverse of :func:`to_nifti`.

    Args:
        path: of the NIfTI file.
        target: file to write.
        mask: whether it is a mask: all above 0 becomes white. Otherwise 8-bit values stay as they are and others are
            stretched, as the network sees them.

    Raises:
        DataError: if it is no NIfTI file of one slice.
    """
    if not is_nifti(path):
        raise DataError(f"{str(path)!r} is no NIfTI file (.nii, .nii.gz).")
    image = (LoadMaskd("image") if mask else LoadImageAnyd("image"))({"image": str(path)})["image"]
    pictures = upright_slices(image, UprightView.of(image))
    if len(pictures) > 1:
        raise DataError(f"{str(path)!r} has {len(pictures)} slices: a picture can hold one.")
    picture = _bytes(pictures[0].permute(1, 2, 0).numpy())
    gray = (picture == picture[..., :1]).all()
    with replace_whole(target) as part:
        Image.fromarray(picture[..., 0] if gray else picture).save(part)


def convert_all(paths: Iterable[str], out: Path, suffix: str, convert: Callable[[str, Path], None]) -> list[Path]:
    """Convert files into the folder ``out``, each under its own name with ``suffix``.

    Raises:
        DataError: if two files would get the same name.
    """
    targets: dict[Path, str] = {}
    for path in paths:
        target = out / (stem_of(path) + suffix)
        if target in targets:
            raise DataError(f"{targets[target]!r} and {path!r} would both become {str(target)!r}: convert them apart.")
        targets[target] = path
    for target, path in targets.items():
        convert(path, target)
    return list(targets)


def _bytes(unit: np.ndarray) -> np.ndarray:
    return (unit * 255).round().astype(np.uint8)
