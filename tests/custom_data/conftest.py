"""Own images and masks of every kind, drawn for the tests."""

import numpy as np
import pytest
from custom_data.drawn import gray, save_nifti, save_png, square

from monai_vlsm.custom_data import CustomDataRequest, compile_pattern


@pytest.fixture
def polyps(tmp_path):
    """Ten gray pictures 24 high and 32 wide, five patients with two each; the masks of patient 4 are empty."""
    for number in range(10):
        stem = f"{number // 2}_{number % 2}"
        save_png(tmp_path / "images" / f"{stem}.png", gray(number))
        save_png(tmp_path / "masks" / f"{stem}.png", square(value=0 if number >= 8 else 255))
    return tmp_path


@pytest.fixture
def volumes(tmp_path):
    """Four volumes of 12 x 20 x 6 voxels, RAS; slices 2 and 3 show 1 at the front, slice 3 shows 2 behind it."""
    for number in range(4):
        image = np.random.default_rng(number).integers(0, 1000, (12, 20, 6)).astype(np.float32)
        labels = np.zeros((12, 20, 6), dtype=np.uint8)
        labels[4:8, 14:19, 2:4] = 1
        labels[4:8, 2:6, 3] = 2
        save_nifti(tmp_path / "images" / f"case{number}.nii.gz", image)
        save_nifti(tmp_path / "masks" / f"case{number}.nii.gz", labels)
    return tmp_path


@pytest.fixture
def ask():
    """Make a request for a folder with images/ and masks/."""

    def make(folder, classes=None, **fields):
        given = {"name": "mine", "images": folder / "images", "masks": folder / "masks", **fields}
        for name in ("mask_pattern", "group_pattern"):
            given[name] = compile_pattern(given.get(name), f"--{name.replace('_', '-')}")
        return CustomDataRequest(classes=classes or {"polyp": ()}, **given)

    return make
