"""Images that are too large are refused by their headers."""

from __future__ import annotations

import itk
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_vlsm.data.limits import DEFAULT_LIMIT, LIMIT_VARIABLE
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import load_image


def write(path):
    values = np.full((1, 10, 20), 7, np.uint8)
    if path.name.endswith((".nii", ".nii.gz")):
        nibabel.save(nibabel.Nifti1Image(values.T, np.eye(4)), path)
    elif path.suffix in (".png", ".jpg", ".bmp", ".tif", ".webp"):
        Image.fromarray(values[0]).save(path)
    else:
        itk.imwrite(itk.image_from_array(values), str(path))
    return path


KINDS = ["a.png", "a.jpg", "a.bmp", "a.tif", "a.webp", "a.nii", "a.nii.gz", "a.mha", "a.mhd", "a.nrrd", "a.dcm"]


@pytest.mark.parametrize("name", KINDS)
def test_more_pixels_than_the_limit_are_refused_with_the_number_and_the_way_to_raise_it(tmp_path, monkeypatch, name):
    monkeypatch.setenv(LIMIT_VARIABLE, "199")
    with pytest.raises(DataError, match=rf"{name}.*200 pixels.*limit of 199.*{LIMIT_VARIABLE}=200"):
        load_image(write(tmp_path / name))


@pytest.mark.parametrize("name", KINDS)
def test_as_many_pixels_as_the_limit_are_read(tmp_path, monkeypatch, name):
    monkeypatch.setenv(LIMIT_VARIABLE, "200")
    assert load_image(write(tmp_path / name)).shape[1:3] == (20, 10)


def test_a_series_of_slices_counts_as_a_volume(tmp_path, monkeypatch):
    for index in range(3):
        slice_ = pydicom.dcmread(write(tmp_path / f"{index}.dcm"))
        slice_.SeriesInstanceUID, slice_.ImageOrientationPatient = "1.2.3", [1, 0, 0, 0, 1, 0]
        slice_.ImagePositionPatient = [0, 0, index]
        slice_.save_as(tmp_path / f"{index}.dcm")
    monkeypatch.setenv(LIMIT_VARIABLE, "599")
    with pytest.raises(DataError, match="600 pixels"):
        load_image(tmp_path)


@pytest.mark.parametrize("value", ["many", "-1", "1e9"])
def test_a_limit_that_is_no_number_is_named(tmp_path, monkeypatch, value):
    monkeypatch.setenv(LIMIT_VARIABLE, value)
    with pytest.raises(DataError, match=f"{LIMIT_VARIABLE} must be a number of pixels, not {value!r}"):
        load_image(write(tmp_path / "a.png"))


def test_a_picture_larger_than_pils_own_limit_is_read(tmp_path, monkeypatch):
    """It is large by its rows: Pillow 10.4 also compares each strip of rows that is converted with its limit."""
    Image.new("L", (5, 4000)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png").shape == (3, 5, 4000)
    assert Image.MAX_IMAGE_PIXELS == 2000


def test_a_volume_of_2000_slices_is_within_the_limit():
    assert DEFAULT_LIMIT > 2000 * 512 * 512
