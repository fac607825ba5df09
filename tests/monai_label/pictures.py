"""The kinds of files that people load in 3D Slicer, all of them with the same drawn ultrasound picture."""

from __future__ import annotations

from pathlib import Path

import itk
import nibabel
import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from monai_vlsm.data.phantom import draw_phantom

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = Rotation.from_euler("xyz", [10, -20, 200], degrees=True).as_matrix() @ np.diag([0.9, 1.1, 3.0])
OBLIQUE[:3, 3] = 12, -7, 3
KINDS = {
    "gray": ".png",
    "rgb": ".png",
    "rgba": ".png",
    "palette": ".png",
    "gray_jpg": ".jpg",
    "rgb_jpg": ".jpg",
    **dict.fromkeys(("flat", "slice", "anisotropic", "oblique", "vector", "color"), ".nii.gz"),
}
"""Names of images, as MONAI Label calls them, and suffixes of their files."""


def picture(seed: int = 1) -> np.ndarray:
    """Return a gray picture (H, W) of uint8."""
    return draw_phantom(np.random.default_rng(seed)).image


def write_picture(folder: Path, name: str) -> Path:
    """Write the picture as one of ``KINDS`` and return its path."""
    path, gray, kind = folder / f"{name}{KINDS[name]}", picture(), name.split("_")[0]
    if kind in ("gray", "rgb", "rgba", "palette"):
        mode = {"gray": "L", "rgb": "RGB", "rgba": "RGBA", "palette": "P"}[kind]
        Image.fromarray(gray).convert("RGB").convert(mode).save(path)
    elif kind == "color":
        # ITK writes a color per voxel (NIfTI's type RGB24).
        itk.imwrite(itk.image_from_array(np.dstack([gray] * 3)[None], is_vector=True), str(path))
    else:
        medical = nibabel.Nifti1Image(*_medical(kind, np.ascontiguousarray(gray.T)))
        medical.header.set_intent("vector" if kind == "vector" else "none")
        nibabel.save(medical, path)
    return path


def _medical(kind: str, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    upright = np.diag([-0.4, -0.3, 2.0, 1.0])
    if kind == "flat":
        return plane, upright
    if kind == "slice":
        return plane[..., None], upright
    if kind == "vector":  # as Slicer uploads color: five axes, the fourth for time
        return np.stack([plane] * 3, axis=-1)[:, :, None, None], upright
    volume = np.stack([plane, plane[::-1], plane], axis=-1)
    return volume, OBLIQUE if kind == "oblique" else np.diag([-0.4, 0.3, 5.0, 1.0])


def write_mask(path: Path, mask: np.ndarray) -> Path:
    """Write a mask (H, W) as Slicer sends it back: one slice, values 0 and 1, in the frame of a picture file."""
    itk.imwrite(itk.image_from_array(mask.astype(np.uint8)[None]), str(path))
    return path
