"""Tests of items that bring the states of a frozen vision encoder."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from monai.data import DataLoader
from monai.transforms import Compose, RandFlipd

from monai_vlsm.datasets import FrozenStatesDataset, SeededCacheDataset
from monai_vlsm.engines import PreparePixels
from monai_vlsm.errors import DataError
from monai_vlsm.networks import CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter
from monai_vlsm.transforms.network_input import STATES

IMAGES = torch.randint(0, 256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def network(small_backbone):
    torch.manual_seed(0)
    return CLIPSegShallowAdapter(small_backbone, adapt_text=False, precision="float32")


@pytest.fixture
def runs(network, monkeypatch):
    """The number of images in every run of the vision encoder."""
    numbers, encode = [], network.frozen_states
    monkeypatch.setattr(network, "frozen_states", lambda image: (numbers.append(len(image)), encode(image))[1])
    return numbers


def items(*indices):
    return [{"image": IMAGES[index], "label": torch.zeros(1, 32, 32), "prompt": "a"} for index in indices or range(5)]


@pytest.fixture
def build(network, tmp_path):
    def make(data=None, net=network, batch_size=2):
        return FrozenStatesDataset(items() if data is None else data, net, tmp_path, batch_size)

    return make


def logits(network, dataset):
    (batch,) = DataLoader(dataset, batch_size=len(dataset))
    image, _, _, extra = PreparePixels({})(batch)
    with torch.no_grad():
        return network(image, **extra)


def test_training_sees_the_same_with_states_and_without(build, network):
    torch.testing.assert_close(logits(network, build()), logits(network, items()), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.1), ("float16", 0.02)])
def test_in_16_bits_training_sees_the_same_up_to_their_rounding(build, network, precision, tolerance):
    """Without states the sum that runs through the layers is rounded only where it is multiplied."""
    network.set_precision(precision)
    dataset = build()
    assert dataset[0][STATES].dtype == getattr(torch, precision)
    expected = logits(network, items())
    torch.testing.assert_close(logits(network, dataset), expected, rtol=0, atol=tolerance * expected.std().item())


def test_images_that_are_normalized_already_are_taken_as_they_are(build, network):
    data = [{**item, "image": item["image"] / 128 - 1} for item in items()]
    torch.testing.assert_close(logits(network, build(data)), logits(network, data), rtol=0, atol=1e-6)


def test_the_rest_of_an_item_stays(build):
    item = build()[3]
    assert item.keys() == {"image", "label", "prompt", STATES}
    assert torch.equal(item["image"], IMAGES[3])


def test_an_image_that_comes_again_is_encoded_once(build, runs):
    assert len(build(items(0, 1, 0, 2, 1))) == 5
    assert sum(runs) == 1 + 3  # the first image tells shape and type


def test_what_is_on_the_disk_is_not_encoded_again(build, runs):
    first = build()[4][STATES].clone()
    runs.clear()
    assert torch.equal(build()[4][STATES], first)
    assert runs == [1]


def test_only_new_images_are_encoded_in_batches(build, runs):
    build(items(0))
    runs.clear()
    build()
    assert runs == [1, 2, 2]


def test_an_image_that_changed_gets_states_of_its_own(build):
    before = build()[0][STATES].clone()
    changed = items()
    changed[0]["image"] = IMAGES[0].clone()
    changed[0]["image"][0, 1, 1] += 1  # a pixel between those of a glimpse
    assert not torch.equal(build(changed)[0][STATES], before)


OTHER_FACTS = {
    "backbone": lambda network: setattr(network, "backbone_fingerprint", "another"),
    "precision": lambda network: network.set_precision("bfloat16"),
}


@pytest.mark.parametrize("change", OTHER_FACTS.values(), ids=OTHER_FACTS)
def test_another_backbone_or_precision_computes_states_anew(build, network, runs, change):
    build()
    runs.clear()
    change(network)
    build()
    assert sum(runs) == 6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_states_come_back_bit_by_bit_in_every_type(build, network, monkeypatch, dtype):
    states = torch.randn(5, 2, 5, 16).to(dtype)
    rows = {IMAGES[index].float().mean().item(): index for index in range(5)}
    monkeypatch.setattr("monai_vlsm.datasets.frozen_states.normalized_pixels", lambda pixels, out: pixels.float())
    monkeypatch.setattr(
        network, "frozen_states", lambda image: torch.stack([states[rows[one.mean().item()]] for one in image])
    )
    found = torch.stack([item[STATES] for item in build()])
    assert found.dtype == dtype
    assert torch.equal(found, states)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_processes_that_load_data_read_the_states(build, num_workers):
    dataset = build()
    batches = list(DataLoader(dataset, batch_size=2, num_workers=num_workers))
    assert torch.equal(torch.cat([batch[STATES] for batch in batches]), torch.stack([item[STATES] for item in dataset]))


def test_a_damaged_file_is_computed_anew_by_the_next_run(build, runs, tmp_path):
    expected = torch.stack([item[STATES] for item in build()])
    first, second, *_ = sorted(tmp_path.rglob("*.npy"))
    first.write_bytes(first.read_bytes()[:-1])
    second.unlink()
    runs.clear()
    torch.testing.assert_close(torch.stack([item[STATES] for item in build()]), expected, rtol=0, atol=1e-6)
    assert sum(runs) == 3


def test_processes_share_the_work(build, runs, monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    own = []
    monkeypatch.setattr("ignite.distributed.barrier", lambda: own.append(sum(runs)))
    build(batch_size=1)
    assert own == [1 + 2], "every other of five images, and the first"
    assert sum(runs) == 1 + 5, "and what the other process should have done but did not"


# Refusals


def test_states_that_vanish_in_training_are_named_with_the_way_out(build, tmp_path):
    dataset = build()
    for path in tmp_path.rglob("*.npy"):
        path.unlink()
    with pytest.raises(DataError, match="--resume True"):
        dataset[0]


def test_random_transforms_of_images_are_refused_before_anything_is_computed(build, tmp_path):
    data = SeededCacheDataset(items(), Compose([RandFlipd("image", prob=1.0)]))
    with pytest.raises(DataError, match="as RandFlipd does; or set augment to 'none'"):
        build(data)
    assert not list(tmp_path.iterdir())


def test_images_that_change_from_epoch_to_epoch_are_refused(build):
    data = SeededCacheDataset(items(), Compose([lambda item: {**item, "image": item["image"] ^ data.change}]))
    data.change = 0
    dataset = build(data)
    dataset[0]
    data.change = 1
    with pytest.raises(DataError, match="Take what changes images out"):
        dataset[0]


REFUSED = {
    "dense": lambda backbone: CLIPSegDenseAdapter(backbone),
    "full": lambda backbone: CLIPSegFineTune(backbone, "full"),
}


@pytest.mark.parametrize("method", REFUSED)
def test_methods_that_change_the_vision_encoder_are_refused_with_those_that_do_not(
    build, small_backbone, method, tmp_path
):
    with pytest.raises(DataError, match=rf"'{method}'.*'shallow' and 'decoder'"):
        build(net=REFUSED[method](small_backbone))
    assert not list(tmp_path.iterdir())


def test_a_backbone_with_dropout_is_refused(build, network, monkeypatch):
    monkeypatch.setattr(network.backbone.config.vision_config, "attention_dropout", 0.1)
    with pytest.raises(DataError, match="attention_dropout"):
        build()


def test_too_little_room_is_told_with_other_ways(build, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(DataError, match=r"not enough room to cache states .*cache_dir.*train_fraction.*cache_features"):
        build()


def test_the_size_is_told_before_the_states_are_computed(build, network, monkeypatch, caplog):
    def told():
        assert "5 states of" in caplog.text

    with caplog.at_level(logging.INFO, "monai_vlsm"):
        monkeypatch.setattr("monai_vlsm.data.content_store.ContentStore.fill", lambda *args, **options: told())
        build()
    assert "MB have to be written" in caplog.text
