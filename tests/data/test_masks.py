"""One rule says what is foreground, whoever reads the mask."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from monai_vlsm.data.check.files import read_files
from monai_vlsm.data.masks import JPEG_NOISE, foreground, kind_of_mask
from monai_vlsm.data.prompts import describe_mask
from monai_vlsm.data.sets.raw import read_mask
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import LoadMaskd


def by_training(path):
    return LoadMaskd("mask")({"mask": path})["mask"][0].numpy().T > 0


def by_prompts(path):
    return np.full((4, 6), describe_mask(np.array(Image.open(path))).count == 1)


READERS = {"training": by_training, "prepare": read_mask, "prompts": by_prompts}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("top", [2, 20, 33, 100, 127])
def test_every_reader_refuses_a_mask_that_is_too_dark(tmp_path, reader, top):
    """A label map of the classes 0 to 2 was an empty mask for one reader and an error for another."""
    Image.fromarray(np.full((4, 6), top, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(DataError, match=f"brightest value is {top}, expected"):
        reader(tmp_path / "mask.png")


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("top", [1, 128, 255])
def test_every_reader_takes_a_bright_mask(tmp_path, reader, top):
    Image.fromarray(np.full((4, 6), top, np.uint8)).save(tmp_path / "mask.png")
    assert reader(tmp_path / "mask.png").all()


@pytest.mark.parametrize("reader", [by_training, read_mask])
@pytest.mark.parametrize(("suffix", "refused"), [("jpg", False), ("png", True)])
def test_noise_is_only_expected_where_a_file_is_lossy(tmp_path, reader, suffix, refused):
    Image.fromarray(np.full((4, 6), JPEG_NOISE - 4, np.uint8)).save(tmp_path / f"mask.{suffix}")
    if refused:
        with pytest.raises(DataError, match="brightest value is 28"):
            reader(tmp_path / f"mask.{suffix}")
    else:
        assert not reader(tmp_path / f"mask.{suffix}").any()


@pytest.mark.parametrize("reader", [by_training, read_mask])
def test_indexed_colors_count_by_their_index_for_every_reader(tmp_path, reader):
    image = Image.new("P", (6, 4), 3)
    image.putpalette([0, 0, 0] * 3 + [0, 0, 90])  # dark blue, as the fourth class often is
    image.save(tmp_path / "mask.png")
    assert reader(tmp_path / "mask.png").all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1], [False, True]),
        ([0.0, 0.6], [False, True]),
        ([127, 128, 255], [False, True, True]),
        ([255, 32767, 32768], [False, False, True]),
        ([0, 0], [False, False]),
    ],
)
def test_foreground_is_above_half_of_the_range(values, expected):
    np.testing.assert_array_equal(foreground(np.array(values)), expected)


@pytest.mark.parametrize("values", [[-1, 1], [0, 0.4], [0, np.nan], [0, -np.inf], []])
def test_what_is_no_mask_is_refused(values):
    with pytest.raises(DataError, match="expected is a mask"):
        foreground(np.array(values))


@pytest.mark.parametrize(
    ("values", "above_zero", "kind"),
    [
        ([0, 255], False, "binary"),
        ([0, 1, 2], False, "label map"),
        ([0, 1, 2], True, "label map"),
        ([0, 60, 120, 180, 255], False, "label map"),
        ([0, 3, 252, 255, 255, 255, 255], False, "soft"),
    ],
)
def test_masks_are_told_apart_by_their_values(values, above_zero, kind):
    assert kind_of_mask(np.array(values), above_zero=above_zero) == kind


@pytest.mark.parametrize(("name", "listed"), [("a.nii.gz", True), ("a.png", False)])
def test_check_uses_the_same_rule(name, listed):
    """Everything above 0 is mask in a medical file, so that two values there are two classes."""
    values = np.array([0, 3, 252, 255, 255, 255, 255]).reshape(1, 7, 1)
    entries = {"training": [{"image": "image", "label": name}]}
    files = read_files(entries, lambda path: values, lambda path: values > 127, lambda path: values, list)
    assert (name in files.labels, name in files.soft) == (listed, not listed)
