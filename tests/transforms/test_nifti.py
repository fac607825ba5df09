"""NIfTI files with colors, and those that promise more than they hold."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.transforms import load_image

RNG = np.random.default_rng(0)


def load(path):
    return load_image(path)


@pytest.mark.parametrize("names", ["RGB", "RGBA"])
def test_a_color_per_voxel_becomes_three_channels(tmp_path, names):
    values = RNG.integers(0, 256, (6, 5, 2, len(names)), dtype=np.uint8)
    colors = values.view([(name, np.uint8) for name in names])[..., 0]
    nibabel.save(nibabel.Nifti1Image(colors, np.diag([1, 2, 3, 1])), tmp_path / "color.nii.gz")
    image = load(tmp_path / "color.nii.gz")
    assert image.shape == (3, 6, 5, 2)
    np.testing.assert_allclose(image.numpy() * 255, np.moveaxis(values[..., :3], -1, 0), atol=1e-3)
    np.testing.assert_array_equal(image.affine, np.diag([1, 2, 3, 1]))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path, suffix):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.float32), np.eye(4)), tmp_path / "small.nii")
    content = bytearray((tmp_path / "small.nii").read_bytes())
    content[42:48] = np.array([1024, 1024, 512], "<i2").tobytes()
    path = tmp_path / f"huge{suffix}"
    path.write_bytes(gzip.compress(bytes(content)) if suffix == ".nii.gz" else bytes(content))
    with pytest.raises(DataError, match="promises 2,147,483,648 bytes") as error:
        load(path)
    assert str(path) in str(error.value)


def test_a_file_that_compresses_well_is_read(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((256, 256, 64), np.uint8), np.eye(4)), tmp_path / "empty.nii.gz")
    assert (tmp_path / "empty.nii.gz").stat().st_size < 256 * 256 * 64 / 200
    assert load(tmp_path / "empty.nii.gz").shape == (1, 256, 256, 64)
