"""Tests of custom_data/writing.py: names of files, and which classes of a picture are kept."""

import numpy as np
import pytest
from custom_data.drawn import gray, save_nifti, save_png, square

from monai_vlsm.custom_data.matching import match_masks
from monai_vlsm.custom_data.writing import write_pairs
from monai_vlsm.data import load_splits
from monai_vlsm.errors import DataError

CLASSES = {"front": (1,), "back": (2,)}


@pytest.fixture
def write(tmp_path):
    """Write the data set of a request and return it."""

    def run(request):
        (tmp_path / "made").mkdir()
        return write_pairs(request, match_masks(request).pairs, tmp_path / "made", "a test", progress=False)

    return run


def test_names_of_slices_tell_the_index_from_0_with_equal_digits(ask, volumes, write):
    written = write(ask(volumes, CLASSES, keep_empty_slices=0))
    names = [entry["image"] for entry in written.entries if entry["group"] == "case0"]
    assert names == ["images/case0_z002.png", "images/case0_z003.png", "images/case0_z003.png"]


@pytest.mark.parametrize("name", ["case0_z002", "CASE0_Z002"])
def test_a_picture_that_would_be_written_as_a_slice_is_refused(ask, volumes, write, name):
    save_png(volumes / "images" / f"{name}.png", gray(0))
    save_png(volumes / "masks" / f"{name}.png", square(value=1))
    with pytest.raises(DataError, match=r"(?i)would be written as 'images/case0_z002\.png': rename one"):
        write(ask(volumes, CLASSES))


def test_two_masks_that_would_be_written_alike_are_refused(ask, polyps, write):
    for kind, values in (("images", gray(0)), ("masks", square(value=1))):
        for path in (polyps / kind).iterdir():
            path.unlink()
        for stem in ("a", "a_b", "c", "d"):
            save_png(polyps / kind / f"{stem}.png", values)
    with pytest.raises(DataError, match=r"would be written as 'masks/a_b_c\.png'"):
        write(ask(polyps, {"c": (1,), "b c": (2,)}, keep_empty_slices=1))


def test_the_same_empty_slices_are_kept_whatever_else_is_there(ask, volumes, write, tmp_path):
    first = write(ask(volumes, CLASSES, keep_empty_slices=0.5)).entries
    (volumes / "masks" / "case3.nii.gz").unlink()
    (tmp_path / "made").rename(tmp_path / "first")
    fewer = write(ask(volumes, CLASSES, keep_empty_slices=0.5)).entries
    assert 0 < len(fewer) < len(first)
    assert fewer == [entry for entry in first if entry["group"] != "case3"]


def test_a_volume_of_one_slice_keeps_its_name(ask, tmp_path, write):
    for number in range(3):
        save_nifti(tmp_path / "images" / f"v{number}.nii.gz", np.random.default_rng(number).random((12, 20, 1)))
        save_nifti(tmp_path / "masks" / f"v{number}.nii.gz", np.ones((12, 20, 1), dtype=np.uint8))
    write(ask(tmp_path))
    images = [entry["image"] for entries in load_splits(tmp_path / "made").values() for entry in entries]
    assert sorted(images) == [str(tmp_path / "made" / "images" / f"v{number}.png") for number in range(3)]
