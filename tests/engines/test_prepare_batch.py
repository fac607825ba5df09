"""Batches of bytes become floats on the device, and all else passes through."""

from __future__ import annotations

import pytest
import torch

from monai_vlsm.engines import PreparePixels
from monai_vlsm.transforms.network_input import network_input

KEYS = {"input_ids": "input_ids"}


def batch(size=3, **others):
    generator = torch.Generator().manual_seed(size)
    image = torch.randint(0, 256, (size, 3, 8, 8), dtype=torch.uint8, generator=generator)
    label = torch.randint(0, 2, (size, 1, 8, 8), dtype=torch.uint8, generator=generator)
    return {"image": image, "label": label, "input_ids": torch.arange(size)[:, None], **others}


def test_bytes_are_normalized():
    image, *_ = PreparePixels(KEYS)(batch())
    torch.testing.assert_close(image, network_input(batch()["image"], 8))


def test_labels_become_floats_and_tokens_get_their_names():
    _, label, args, named = PreparePixels(KEYS)(batch())
    assert (label.dtype, args) == (torch.float32, ())
    assert torch.equal(named["input_ids"], batch()["input_ids"])


def test_floats_are_taken_as_they_are():
    floats = torch.randn(2, 3, 8, 8)
    image, label, *_ = PreparePixels(KEYS)(batch(2, image=floats, label=torch.ones(2, 1, 8, 8)))
    assert torch.equal(image, floats)
    assert torch.equal(label, torch.ones(2, 1, 8, 8))


@pytest.mark.parametrize("sizes", [(3, 2), (2, 3), (3, 3)])
def test_batches_of_other_sizes_follow_each_other(sizes):
    prepare = PreparePixels(KEYS)
    for size in sizes:
        image, *_ = prepare(batch(size))
        torch.testing.assert_close(image, network_input(batch(size)["image"], 8))


def test_images_of_another_size_follow():
    prepare = PreparePixels(KEYS)
    prepare(batch())
    larger = torch.full((3, 3, 16, 16), 7, dtype=torch.uint8)
    torch.testing.assert_close(prepare(batch(image=larger))[0], network_input(larger, 16))


def test_memory_is_taken_once():
    prepare = PreparePixels(KEYS)
    assert prepare(batch(3))[0].data_ptr() == prepare(batch(2))[0].data_ptr()


def test_autograd_notices_when_an_image_is_kept_beyond_its_iteration():
    prepare, weight = PreparePixels(KEYS), torch.ones(3, 1, 1, requires_grad=True)
    loss = (prepare(batch())[0] * weight).sum()
    prepare(batch(2))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_states_go_to_the_network_in_place_of_floats():
    states = torch.randn(3, 2, 5, 4)
    image, _, _, named = PreparePixels(KEYS)(batch(states=states))
    assert torch.equal(named["states"], states)
    assert torch.equal(image, batch()["image"])
