"""Training on images that are changed at random, which the key ``augment`` chooses."""

from __future__ import annotations

import pytest
import torch
from bundles.quick import QUICK, ROOT, trained_weights
from monai.bundle import ConfigParser

from monai_vlsm.errors import find_message

KINDS = ("intensity", "geometry", "all")
OPTIONS = {**QUICK, "method": "shallow", "max_epochs": 2, "augment": "all", "negative_fraction": 0.5, "cache": "disk"}


@pytest.fixture(scope="module")
def items(phantom, tmp_path_factory):
    """Return the data set of a split as the bundle makes it."""

    def make(augment, split="train"):
        parser = ConfigParser()
        parser.read_config(str(ROOT / "bundles" / "phantom" / "configs" / "train.json"))
        values = {**QUICK, "augment": augment, "bundle_root": str(tmp_path_factory.mktemp("bundle"))}
        parser.update({**values, "dataset_dir": phantom, "prompt_level": "p6"})
        return parser.get_parsed_content(f"{split}#dataset")

    return make


@pytest.fixture(scope="module")
def trained(train):
    return train()


def epochs(dataset, index=0):
    """Return one item in six epochs."""
    found = []
    for seed in range(6):
        dataset.seed_items(seed)
        found.append(dataset[index])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_images_change_from_epoch_to_epoch_and_stay_bytes(items, kind):
    found = epochs(items(kind))
    assert {(item["image"].dtype, type(item["image"])) for item in found} == {(torch.uint8, torch.Tensor)}
    assert len({bytes(item["image"].numpy()) for item in found}) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_gray_picture_stays_gray(items, kind):
    dataset = items(kind)
    found = [item["image"] for index in (0, 1) for item in epochs(dataset, index)]
    assert all((image == image[:1]).all() for image in found)


@pytest.mark.parametrize(("kind", "move"), [("intensity", False), ("geometry", True), ("all", True)])
def test_masks_stay_masks_and_move_with_the_geometry_only(items, kind, move):
    masks = [item["label"] for item in epochs(items(kind))]
    assert {(mask.dtype, type(mask), mask.unique().numel()) for mask in masks} == {(torch.uint8, torch.Tensor, 2)}
    assert {int(mask.max()) for mask in masks} == {1}
    assert any(not torch.equal(mask, masks[0]) for mask in masks) == move


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_is_the_same_whenever_it_is_drawn(items, kind):
    first, again = (epochs(items(kind), index=1) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert one["prompt"] == other["prompt"]
        assert torch.equal(one["image"], other["image"])


def test_bytes_that_nothing_drawn_changes_are_those_of_the_image(items):
    dataset, (plain, *_) = items("intensity"), epochs(items("none"))
    for transform in dataset.transform.transforms:
        transform.prob = 0.0
    assert all(torch.equal(item["image"], plain["image"]) for item in epochs(dataset))


@pytest.mark.parametrize(("split", "augment"), [("train", "none"), ("validate", "all")])
def test_nothing_changes_in_validation_or_without_the_key(items, split, augment):
    first, *others = epochs(items(augment, split))
    assert all(torch.equal(first["image"], item["image"]) and first["prompt"] == item["prompt"] for item in others)


def test_a_training_goes_on_exactly_with_processes_that_load_data(train, trained):
    resumed = train(train(max_epochs=1, num_workers=2), resume=True)
    expected, found = trained_weights(trained), trained_weights(resumed)
    assert expected
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"resume": True, "augment": "geometry", "max_epochs": 3}, "augment was 'all' and is 'geometry'"),
        ({"cache_features": True}, "cache_features must be false where images are drawn anew in every epoch"),
        ({"augment": "flips"}, "'augment' must be 'none', 'intensity', 'geometry' or 'all', not 'flips'"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(train, trained, options, told):
    with pytest.raises(RuntimeError) as failure:
        train(trained, **options)
    assert told in str(find_message(failure.value))
