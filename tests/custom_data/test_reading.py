"""Tests of custom_data/reading.py: which values of a mask are its class, and how it lies on its image."""

import numpy as np
import pytest
from custom_data.drawn import gray, save_nifti, save_png, square
from PIL import Image

from monai_vlsm.custom_data import reading
from monai_vlsm.custom_data.matching import ImageMaskPair
from monai_vlsm.custom_data.reading import read_pair
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import LoadLabelMapd

POLYP = {"polyp": ()}
INSIDE = np.zeros((24, 32), dtype=bool)
INSIDE[2:10, 3:11] = True


@pytest.fixture
def pair(tmp_path):
    """A gray picture with a mask of 0 and 255."""
    save_png(tmp_path / "a.png", gray(0))
    save_png(tmp_path / "a_mask.png", square())
    return ImageMaskPair("a", tmp_path / "a.png", tmp_path / "a_mask.png", "a")


@pytest.fixture
def volume(tmp_path):
    """Make a pair of a volume 12 x 20 x 6 and a mask with these values in a box."""

    def make(inside, outside=0.0, dtype=np.float32):
        labels = np.full((12, 20, 6), outside, dtype=dtype)
        labels[4:8, 14:19, 2:4] = inside
        save_nifti(tmp_path / "v.nii.gz", np.random.default_rng(0).random((12, 20, 6)).astype(np.float32))
        save_nifti(tmp_path / "v_mask.nii.gz", labels)
        return ImageMaskPair("v", tmp_path / "v.nii.gz", tmp_path / "v_mask.nii.gz", "v")

    return make


def write_mask(pair, values, mode=None, palette=None):
    picture = Image.fromarray(values, mode=mode)
    if palette:
        picture.putpalette(palette)
    picture.save(pair.mask)


@pytest.mark.parametrize(("value", "dtype"), [(1, np.uint8), (255, np.uint8), (1, np.uint16), (65535, np.uint16)])
def test_masks_of_two_values_are_read_whatever_the_brighter_one_is(pair, value, dtype):
    write_mask(pair, (INSIDE * value).astype(dtype))
    pictures, masks = read_pair(pair, POLYP)
    assert pictures.shape == (1, 3, 24, 32)
    np.testing.assert_array_equal(masks["polyp"], INSIDE[None])


def test_a_binary_mask_is_read_once(pair, monkeypatch):
    read = []

    class Counted(LoadLabelMapd):
        def __call__(self, data):
            read.append(data["label"])
            return super().__call__(data)

    monkeypatch.setattr(reading, "LoadLabelMapd", Counted)
    read_pair(pair, POLYP)
    assert read == [str(pair.mask)]


def test_an_indexed_mask_counts_by_its_index(pair):
    write_mask(pair, square(value=1), mode="P", palette=[0, 0, 0, 30, 0, 0])
    np.testing.assert_array_equal(read_pair(pair, POLYP)[1]["polyp"], INSIDE[None])


@pytest.mark.parametrize("other", [64, 100, 170])
def test_a_gray_label_map_is_no_single_class(pair, other):
    labels = square()
    labels[12:20, 5:25] = other
    write_mask(pair, labels)
    with pytest.raises(DataError, match=rf"a_mask\.png' holds the values {other}, 255.*--classes {other}=NAME"):
        read_pair(pair, POLYP)


def test_a_soft_edge_is_cut_in_the_middle(pair):
    soft = square().astype(np.float32)
    soft[10, 3:11], soft[11, 3:11] = np.linspace(130, 200, 8), np.linspace(20, 100, 8)
    write_mask(pair, soft.astype(np.uint8))
    assert read_pair(pair, POLYP)[1]["polyp"].sum() == 8 * 8 + 8


def test_noise_of_a_jpeg_is_no_mask(pair, tmp_path):
    noise = np.zeros((24, 32), dtype=np.uint8)
    noise[::5] = 4
    Image.fromarray(noise).save(tmp_path / "a_mask.jpg", quality=70)
    jpeg = ImageMaskPair("a", pair.image, tmp_path / "a_mask.jpg", "a")
    assert not read_pair(jpeg, POLYP)[1]["polyp"].any()


def test_numbers_moved_by_the_scaling_of_a_header_are_whole_numbers(volume):
    masks = read_pair(volume(0.9999999), {"front": (1,)})[1]
    assert masks["front"].sum() == 4 * 5 * 2


@pytest.mark.parametrize("classes", [POLYP, {"front": (1,)}])
@pytest.mark.parametrize("values", [(-1.0, 0.0), (1.0, -1.0)])
def test_values_below_0_are_refused(volume, classes, values):
    with pytest.raises(DataError, match=r"v_mask\.nii\.gz' holds the values -1, expected are whole numbers from 0"):
        read_pair(volume(*values), classes)


@pytest.mark.parametrize("classes", [POLYP, {"front": (1,)}])
def test_probabilities_are_refused_with_what_to_do(volume, classes):
    inside = np.linspace(0.25, 1, 40, dtype=np.float32).reshape(4, 5, 2)
    with pytest.raises(DataError, match=r"holds the values 0\.25, .* \.\.\., .*cut probabilities at a threshold"):
        read_pair(volume(inside), classes)


def test_a_nifti_mask_lies_on_the_pixels_of_a_picture(pair, tmp_path):
    save_nifti(tmp_path / "a_mask.nii.gz", INSIDE.T[..., None].astype(np.uint8))
    nifti = ImageMaskPair("a", pair.image, tmp_path / "a_mask.nii.gz", "a")
    np.testing.assert_array_equal(read_pair(nifti, POLYP)[1]["polyp"], INSIDE[None])


def test_a_picture_is_no_mask_of_a_volume_that_is_shown_mirrored(pair, tmp_path):
    save_nifti(tmp_path / "a.nii.gz", gray(0).T[..., None].astype(np.float32))
    with pytest.raises(DataError, match=r"a\.nii\.gz' is shown turned or mirrored.*save the mask as NIfTI"):
        read_pair(ImageMaskPair("a", tmp_path / "a.nii.gz", pair.mask, "a"), POLYP)


def test_a_picture_is_the_mask_of_a_nifti_file_that_is_shown_as_it_is_stored(pair, tmp_path):
    save_nifti(tmp_path / "a.nii.gz", gray(0).T[..., None].astype(np.float32), axes=(-1, -1, 1))
    pictures, masks = read_pair(ImageMaskPair("a", tmp_path / "a.nii.gz", pair.mask, "a"), POLYP)
    np.testing.assert_allclose(pictures[0, 0] * 255, gray(0), atol=1e-3)
    np.testing.assert_array_equal(masks["polyp"], INSIDE[None])


def test_an_empty_file_is_named(pair):
    pair.mask.write_bytes(b"")
    with pytest.raises(DataError, match=r"a_mask\.png' cannot be read"):
        read_pair(pair, POLYP)
