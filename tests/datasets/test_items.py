"""Images and masks of a datalist: kept in memory once each, or read anew, and the same in both."""

from __future__ import annotations

import logging
import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from monai.transforms import Compose
from PIL import Image

from monai_vlsm.data.memory import available_memory
from monai_vlsm.datasets import PairReader, SeededCacheDataset
from monai_vlsm.datasets.caches import CACHES
from monai_vlsm.datasets.caches import open_items as open_cache
from monai_vlsm.errors import DataError, find_message
from monai_vlsm.transforms import (
    EnsureSameSized,
    LoadImageAnyd,
    LoadMaskd,
    SelectPromptd,
    ToDisplayRanged,
    ToPixelImaged,
    ToPixelMaskd,
)

SIZE = 48


@pytest.fixture
def files(tmp_path):
    """Two images; the first has two masks, one of which two entries show."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    for name in ("a1", "a2", "b1"):
        Image.fromarray((rng.random((40, 50)) > 0.5).astype(np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


@pytest.fixture
def open_items(tmp_path):
    return lambda entries, read, cache: open_cache(entries, read, cache, tmp_path / "cache")


@pytest.fixture
def entries(files):
    pairs = [("a", "a1"), ("b", "b1"), ("a", "a2"), ("a", "a1")]
    return [
        {"image": str(files / f"{image}.png"), "label": str(files / f"{label}.png"), "prompts": {"p1": [str(number)]}}
        for number, (image, label) in enumerate(pairs)
    ]


@pytest.fixture
def read():
    pixels = [
        ToPixelImaged("image", SIZE, allow_missing_keys=True),
        ToPixelMaskd("label", SIZE, allow_missing_keys=True),
    ]
    load_mask = [LoadMaskd("label"), EnsureSameSized(["image", "label"])]
    return PairReader([LoadImageAnyd("image"), ToDisplayRanged("image")], load_mask, pixels)


@pytest.fixture
def opened(monkeypatch):
    """How often each file is decoded."""
    counts: Counter = Counter()

    def counting(path, convert):
        counts[path.rsplit("/", 1)[-1]] += 1
        return read_file(path, convert)

    from monai_vlsm.transforms.load import read_file

    monkeypatch.setattr("monai_vlsm.transforms.load.read_file", counting)
    return counts


@pytest.mark.parametrize("cache", CACHES)
def test_items_are_plain_bytes_with_what_the_entry_says(entries, read, cache, open_items):
    items = open_items(entries, read, cache)
    assert len(items) == 4
    for item, entry in zip(items, entries, strict=True):
        for key, channels in (("image", 3), ("label", 1)):
            tensor = item[key]
            assert (type(tensor), tensor.dtype, tensor.shape) == (torch.Tensor, torch.uint8, (channels, SIZE, SIZE))
        assert (item["prompts"], item["image_name"]) == (entry["prompts"], entry["image"])


@pytest.mark.parametrize("cache", sorted(set(CACHES) - {"none"}))
def test_what_is_kept_is_what_is_read(entries, read, cache, open_items):
    for kept, fresh in zip(open_items(entries, read, cache), open_items(entries, read, "none"), strict=True):
        assert all(torch.equal(kept[key], fresh[key]) for key in ("image", "label"))


def test_every_file_is_decoded_once_and_only_when_memory_is_filled(entries, read, opened, open_items):
    items = open_items(entries, read, "memory")
    list(items)
    list(items)
    assert opened == dict.fromkeys(("a.png", "b.png", "a1.png", "a2.png", "b1.png"), 1)


def test_without_a_cache_files_are_read_when_they_are_taken(entries, read, opened, open_items):
    items = open_items(entries, read, "none")
    assert not opened
    items[0]
    items[0]
    assert opened == {"a.png": 2, "a1.png": 2}


def test_entries_that_show_one_image_share_its_memory(entries, read, open_items):
    items = open_items(entries, read, "memory")
    places = [(item["image"].data_ptr(), item["label"].data_ptr()) for item in items]
    assert places[0] == places[3]
    assert places[0][0] == places[2][0]
    assert len({image for image, _ in places}) == 2
    assert len({label for _, label in places}) == 3


def test_an_image_of_352_pixels_and_its_mask_take_less_than_half_a_megabyte(
    entries, monkeypatch, read, caplog, open_items
):
    mask = torch.zeros(1, 352, 352, dtype=torch.uint8)
    monkeypatch.setattr(PairReader, "__call__", lambda self, image, labels: (mask.repeat(3, 1, 1), [mask]))
    with caplog.at_level(logging.INFO, "monai_vlsm"):
        items = open_items(entries[:2], read, "memory")
    storages = {item[key].untyped_storage() for item in items for key in ("image", "label")}
    size = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    assert size / 2 < 500_000
    assert f"2 entries show 2 images with 2 masks, which take {size / 1e6:.1f} MB" in caplog.text


def test_the_size_is_told_before_what_does_not_fit_is_refused(entries, read, opened, monkeypatch, caplog, open_items):
    monkeypatch.setattr("monai_vlsm.data.memory.available_memory", lambda: 5000)
    with caplog.at_level(logging.INFO, "monai_vlsm"), pytest.raises(DataError) as refused:
        open_items(entries, read, "memory")
    assert "4 entries show 2 images with 3 masks" in caplog.text
    assert "--cache disk" in str(refused.value)
    assert "--cache none" in str(refused.value)
    assert opened["b.png"] == 0, "most of the work is done by then"


@pytest.mark.skipif(available_memory() is None, reason="this system does not say how much memory there is")
def test_a_cache_larger_than_the_machine_is_refused(entries, read, monkeypatch, open_items):
    """Torch would take it: memory is only given when it is written."""
    huge = torch.empty(1, dtype=torch.uint8).expand(3, 2**22, 2**22)
    monkeypatch.setattr(PairReader, "__call__", lambda self, image, labels: (huge, [huge[:1]] * len(labels)))
    with pytest.raises(DataError, match="cannot keep 2 images"):
        open_items(entries, read, "memory")


@pytest.mark.parametrize("cache", ["ram", "", None, 1.0])
def test_another_cache_is_refused_with_those_there_are(entries, read, cache, open_items):
    with pytest.raises(DataError, match="'memory', 'none'"):
        open_items(entries, read, cache)


def test_no_entries_are_no_items(read, open_items):
    assert len(open_items([], read, "memory")) == 0


@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_file_is_named_and_ends_the_reading(entries, read, files, number, open_items):
    damaged = files / ("a.png", "b.png")[number]
    damaged.write_bytes(b"no picture")
    with pytest.raises(RuntimeError) as failure:
        open_items(entries, read, "memory")
    assert str(damaged) in find_message(failure.value)


def test_a_mask_of_another_size_than_its_image_is_refused(entries, read, files, open_items):
    Image.fromarray(np.zeros((40, 51), np.uint8)).save(files / "a2.png")
    with pytest.raises(RuntimeError) as failure:
        open_items(entries, read, "memory")
    assert "they must be equal" in find_message(failure.value)


def test_items_travel_to_other_processes(entries, read, open_items):
    items = pickle.loads(pickle.dumps(open_items(entries, read, "memory")))
    assert torch.equal(items[2]["label"], open_items(entries, read, "none")[2]["label"])


def test_a_missing_prompt_level_names_the_image(entries, read):
    dataset = SeededCacheDataset(entries, Compose([SelectPromptd("p7")]), read)
    with pytest.raises(RuntimeError) as failure:
        dataset[0]
    assert "a.png" in find_message(failure.value)
