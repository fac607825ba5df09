"""Pictures to NIfTI and back."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from PIL import Image

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import LoadImageAnyd
from monai_vlsm.transforms.upright import UprightView, upright_slices

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (7, 5), dtype=np.uint8)
COLOR = RNG.integers(0, 256, (7, 5, 3), dtype=np.uint8)


@pytest.fixture
def convert(tmp_path):
    """Write an array as PNG and turn it into NIfTI."""

    def to_nifti(array, *options):
        Image.fromarray(array).save(tmp_path / "case.png")
        main(["to-nifti", str(tmp_path / "case.png"), "--out", str(tmp_path / "nifti"), *options])
        return tmp_path / "nifti" / "case.nii.gz"

    return to_nifti


@pytest.mark.parametrize("array", [GRAY, COLOR], ids=["gray", "color"])
def test_a_picture_comes_back_as_it_was(convert, tmp_path, array):
    main(["to-png", str(convert(array)), "--out", str(tmp_path / "back")])
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "back" / "case.png")), array)


@pytest.mark.parametrize("array", [GRAY, COLOR], ids=["gray", "color"])
def test_the_network_sees_the_same_picture(convert, tmp_path, array):
    seen = []
    for path in (convert(array), tmp_path / "case.png"):
        image = LoadImageAnyd("image")({"image": str(path)})["image"]
        seen.append(upright_slices(image, UprightView.of(image)).numpy())
    np.testing.assert_allclose(seen[0], seen[1], atol=1e-6)


def test_slicer_gets_one_slice_with_the_axes_of_a_picture(convert):
    image = nibabel.load(convert(GRAY, "--spacing", "0.2"))
    assert image.shape == (5, 7, 1)
    np.testing.assert_allclose(image.affine, np.diag([-0.2, -0.2, 1, 1]))


def test_colors_become_gray_when_asked(convert):
    image = nibabel.load(convert(COLOR, "--gray"))
    assert image.get_data_dtype() == np.uint8
    expected = np.array(Image.fromarray(COLOR).convert("L")).T
    np.testing.assert_allclose(image.get_fdata()[..., 0], expected, atol=1)


@pytest.mark.parametrize("value", [1, 2, 255])
def test_a_mask_becomes_black_and_white(tmp_path, value):
    mask = (GRAY > 100).astype(np.uint8) * value
    nibabel.save(nibabel.Nifti1Image(mask.T[..., None], np.diag([-1, -1, 1, 1])), tmp_path / "mask.nii.gz")
    main(["to-png", str(tmp_path / "mask.nii.gz"), "--mask", "--out", str(tmp_path / "back")])
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "back" / "mask.png")), (mask > 0) * 255)


def test_a_volume_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 3), np.uint8), np.eye(4)), tmp_path / "volume.nii.gz")
    with pytest.raises(DataError, match="has 3 slices"):
        main(["to-png", str(tmp_path / "volume.nii.gz"), "--out", str(tmp_path)])


def test_two_files_that_would_get_one_name_are_refused_before_anything_is_written(tmp_path):
    for suffix in ("png", "jpg"):
        Image.fromarray(GRAY).save(tmp_path / f"case.{suffix}")
    with pytest.raises(DataError, match="would both become"):
        main(["to-nifti", str(tmp_path), "--out", str(tmp_path / "nifti")])
    assert not (tmp_path / "nifti").exists()


@pytest.mark.parametrize(("command", "name"), [("to-nifti", "case.nii.gz"), ("to-png", "case.png")])
def test_files_of_the_wrong_kind_are_refused_by_name(convert, tmp_path, command, name):
    path = convert(GRAY) if name.endswith(".gz") else tmp_path / name
    Image.fromarray(GRAY).save(tmp_path / "case.png")
    with pytest.raises(DataError, match=name):
        main([command, str(path), "--out", str(tmp_path)])
