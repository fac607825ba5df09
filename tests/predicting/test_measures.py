"""How large a mask is, in what the file knows."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from predicting.conftest import write_picture

from monai_vlsm.predicting.measures import KNOWN_SPACING, measured
from monai_vlsm.predictor import read_image


@pytest.fixture
def volume(tmp_path):
    """Read a volume of this shape and affine, or units."""

    def read(shape, affine=(), units="mm"):
        image = nibabel.Nifti1Image(np.zeros(shape, np.float32), np.diag([*(affine or (0.5, 2, 3)), 1]))
        image.header.set_xyzt_units(units)
        nibabel.save(image, tmp_path / "volume.nii.gz")
        return read_image(tmp_path / "volume.nii.gz")

    return read


def part(shape, *indices):
    mask = np.zeros(shape, bool)
    for index in indices:
        mask[index] = True
    return mask


def test_a_picture_has_pixels_and_no_millimeters(tmp_path):
    image = read_image(write_picture(tmp_path / "a.png"))
    found = measured(part((40, 60), (1, 1), (1, 2), (7, 7)), image)
    assert found == {"pixels": 3, "mm2": None, "ml": None, "components": 2}


def test_a_volume_has_milliliters(volume):
    found = measured(part((8, 9, 4), np.s_[:2, :5, :1]), volume((8, 9, 4)))
    assert found == {"pixels": 10, "mm2": None, "ml": 0.03, "components": 1}


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1)])
def test_a_single_slice_has_square_millimeters(volume, shape):
    found = measured(part((8, 9, 1), np.s_[:2, :5]), volume(shape))
    assert (found["mm2"], found["ml"]) == (10.0, None)


@pytest.mark.parametrize(("units", "ml"), [("meter", 0.03e9), ("mm", 0.03), ("micron", 0.0), ("unknown", 0.03)])
def test_units_of_the_file_count(volume, units, ml):
    found = measured(part((8, 9, 4), np.s_[:2, :5, :1]), volume((8, 9, 4), units=units))
    assert found["ml"] == pytest.approx(ml)


def test_pieces_that_touch_at_a_corner_are_one(volume):
    mask = part((8, 9, 4), (0, 0, 0), (1, 1, 1), (3, 3, 3))
    assert measured(mask, volume((8, 9, 4)))["components"] == 2


def test_an_empty_mask_has_no_pieces(volume):
    assert measured(part((8, 9, 4)), volume((8, 9, 4))) == {"pixels": 0, "mm2": None, "ml": 0.0, "components": 0}


@pytest.mark.parametrize(("known", "slices", "told"), [(0, 1, "none"), (0, 4, "none"), (2, 4, "none"), (2, 1, "mm2")])
def test_nothing_is_made_up_where_the_distance_of_pixels_is_unknown(volume, known, slices, told):
    image = volume((8, 9, slices))
    image.meta[KNOWN_SPACING] = known
    found = measured(part((8, 9, slices), (0, 0, 0)), image)
    assert [name for name in ("mm2", "ml") if found[name] is not None] == ([] if told == "none" else [told])
