"""Tests of transforms/label_map.py."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from monai_vlsm.errors import DataError
from monai_vlsm.transforms import LoadLabelMapd

LABELS = np.array([[0, 1, 2], [2, 2, 5]], dtype=np.uint8)


def load(path, **options):
    return LoadLabelMapd("label", **options)({"label": str(path)})["label"]


def picture(kind):
    if kind == "indexed":
        indexed = Image.fromarray(LABELS, mode="P")
        indexed.putpalette(list(range(18)))
        return indexed
    if kind == "color of gray":
        return Image.fromarray(np.stack([LABELS] * 3, axis=-1))
    return Image.fromarray(LABELS.astype({"8 bit": np.uint8, "16 bit": np.uint16, "32 bit": np.int32}[kind]))


@pytest.mark.parametrize("kind", ["8 bit", "16 bit", "32 bit", "indexed", "color of gray"])
def test_values_of_a_picture_are_kept(tmp_path, kind):
    path = tmp_path / ("labels.tif" if kind == "32 bit" else "labels.png")
    picture(kind).save(path)
    assert np.array_equal(load(path)[0].numpy().T, LABELS)


def test_a_picture_of_one_bit_holds_0_and_1(tmp_path):
    Image.fromarray(LABELS > 1).save(tmp_path / "labels.png")
    assert np.array_equal(load(tmp_path / "labels.png")[0].numpy().T, LABELS > 1)


def test_values_of_a_volume_are_kept(tmp_path):
    nibabel.save(nibabel.Nifti1Image(LABELS[..., None], np.eye(4)), tmp_path / "labels.nii.gz")
    assert np.array_equal(load(tmp_path / "labels.nii.gz")[0, ..., 0].numpy(), LABELS)


def test_a_color_picture_is_refused_and_named(tmp_path):
    Image.fromarray(np.stack([LABELS, LABELS, LABELS * 0], axis=-1)).save(tmp_path / "labels.png")
    with pytest.raises(DataError, match=r"labels\.png' cannot be read: it is a color picture"):
        load(tmp_path / "labels.png")


def test_the_brightest_channel_of_a_color_picture_is_taken_on_demand(tmp_path):
    Image.fromarray(np.stack([LABELS, LABELS * 0, LABELS * 2], axis=-1)).save(tmp_path / "labels.png")
    assert np.array_equal(load(tmp_path / "labels.png", any_color=True)[0].numpy().T, LABELS * 2)
