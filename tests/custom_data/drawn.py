"""Images and masks drawn for the tests, and how they are saved."""

import nibabel
import numpy as np
from PIL import Image


def square(size=(24, 32), value=255):
    """A mask (rows, columns) with a square at the top left."""
    mask = np.zeros(size, dtype=np.uint8)
    mask[2:10, 3:11] = value
    return mask


def save_png(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def save_nifti(path, values, axes=(1, 1, 1)):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*axes, 1.0])), path)


def gray(seed, size=(24, 32)):
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
