"""Batches of one image, compared with MONAI's."""

import numpy as np
import pytest
import torch
from monai.data import decollate_batch, list_data_collate
from PIL import Image

from monai_vlsm.transforms import LoadImageAnyd, LoadMaskd
from monai_vlsm.transforms.collate import collate_image


@pytest.fixture
def entry(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (41, 57, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray((pixels[..., 0] > 99).astype(np.uint8) * 255).save(tmp_path / "mask.png")
    files = {"image": str(tmp_path / "a.png"), "label": str(tmp_path / "mask.png")}
    loaded = LoadMaskd("label")(LoadImageAnyd("image")(files))
    return {**loaded, "prompt": "cyst", "input_ids": torch.arange(5)}


def is_same(found, expected):
    """Tell whether two batches, or two items, hold the same values and metadata."""
    if isinstance(expected, torch.Tensor):
        metas = [getattr(value, "meta", {}) for value in (found, expected)]
        return type(found) is type(expected) and torch.equal(found, expected) and str(metas[0]) == str(metas[1])
    return found == expected


@pytest.mark.parametrize("number", [1, 2])
def test_a_batch_is_that_of_monai(entry, number):
    found, expected = collate_image([entry] * number), list_data_collate([entry] * number)
    assert found.keys() == expected.keys()
    assert all(is_same(found[key], expected[key]) for key in expected)
    assert found["image"].is_batch == expected["image"].is_batch


def test_a_batch_of_one_comes_apart_as_that_of_monai(entry):
    (found,), (expected,) = (decollate_batch(collate([entry])) for collate in (collate_image, list_data_collate))
    assert found.keys() == expected.keys()
    assert all(is_same(found[key], expected[key]) for key in expected)


def test_the_image_is_not_copied(entry):
    collated = collate_image([entry])
    assert all(collated[key].data_ptr() == entry[key].data_ptr() for key in ("image", "label"))
