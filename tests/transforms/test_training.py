"""Training entries in a plain PyTorch loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import Dataset
from PIL import Image
from torch.utils.data import DataLoader

from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.transforms import training_transform

SENTENCES = ({"p1": ["cyst"], "p2": ["dark cyst", "round cyst"]}, {"p1": ["mass", "tumor"]}, {})


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CLIPSegDenseAdapter("tiny", bottleneck=4)


@pytest.fixture
def entries(tmp_path):
    """Three pictures of other sizes and kinds, each with another number of sentences."""
    made = []
    for number, prompts in enumerate(SENTENCES):
        image, label = (tmp_path / f"{number}_{kind}.png" for kind in ("image", "mask"))
        pixels = np.random.default_rng(number).integers(0, 256, (40 + number, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert("L" if number else "RGB").save(image)
        Image.fromarray((pixels[..., 0] > 128).astype(np.uint8) * 255).save(label)
        made.append(
            {"image": str(image), "label": str(label), "prompts": prompts}
            if prompts
            else {"image": str(image), "label": str(label)}
        )
    return made


def batch_of(entries, transform):
    (batch,) = DataLoader(Dataset(entries, transform), batch_size=len(entries))
    return batch


@pytest.mark.parametrize("level", ["random", "p1"])
def test_pytorchs_loader_makes_a_batch_that_the_network_takes(network, entries, level):
    batch = batch_of(entries, training_transform(network, level))
    size = network.image_size
    assert batch["image"].shape == (3, 3, size, size)
    assert batch["label"].shape == (3, 1, size, size)
    assert set(batch["label"].unique().tolist()) == {0, 1}
    assert network(batch["image"], batch["input_ids"], batch["attention_mask"]).shape == (3, 1, size, size)


def test_a_batch_holds_plain_tensors_and_prompts(network, entries):
    batch = batch_of(entries, training_transform(network, "p1", default_prompt="lesion"))
    assert batch.keys() == {"image", "label", "input_ids", "attention_mask", "prompt"}
    assert batch["prompt"] == ["cyst", "mass", "lesion"]
    assert {type(value) for name, value in batch.items() if name != "prompt"} == {torch.Tensor}


def test_what_augment_draws_changes_images_masks_and_prompts_and_no_types(network, entries):
    entry = {**entries[0], "prompts": {"p6": ["cyst, located in top left of the image"]}}
    transform = training_transform(network, "p6", augment="all").set_random_state(0)
    plain, drawn = training_transform(network, "p6")(entry), [transform(entry) for _ in range(8)]
    for key in ("image", "label"):
        assert {(item[key].dtype, item[key].shape, type(item[key])) for item in drawn} == {
            (plain[key].dtype, plain[key].shape, torch.Tensor)
        }
        assert len({item[key].numpy().tobytes() for item in drawn}) > 4
    assert len({item["prompt"] for item in drawn}) > 2
    assert {value for item in drawn for value in item["label"].unique().tolist()} == {0, 1}


def test_what_augment_leaves_alone_is_the_image_of_a_network_to_half_a_step_of_its_bytes(network, entries):
    transform = training_transform(network, "p1", augment="intensity")
    for part in transform.transforms:
        part.prob = 0.0
    plain, same = (made(entries[0]) for made in (training_transform(network, "p1"), transform))
    torch.testing.assert_close(same["image"], plain["image"], rtol=0, atol=0.51 / 255 / 0.22)
    assert torch.equal(same["label"], plain["label"])
