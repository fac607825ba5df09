"""Images and masks that come from the disk are what their files say now."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from PIL import Image

from monai_vlsm.datasets import PairReader
from monai_vlsm.datasets.items import ItemsFromFiles
from monai_vlsm.datasets.items_on_disk import ItemsOnDisk
from monai_vlsm.errors import DataError, UserError, find_message
from monai_vlsm.transforms import (
    EnsureSameSized,
    LoadImageAnyd,
    LoadMaskd,
    ToDisplayRanged,
    ToPixelImaged,
    ToPixelMaskd,
)

PAIR, TO_PIXELS = ("image", "label"), (ToPixelImaged, ToPixelMaskd)
RANDOM = np.random.default_rng(0)


def reader(image_size=16):
    pixels = [kind(key, image_size, allow_missing_keys=True) for kind, key in zip(TO_PIXELS, PAIR, strict=True)]
    load_mask = [LoadMaskd("label"), EnsureSameSized(PAIR)]
    return PairReader([LoadImageAnyd("image"), ToDisplayRanged("image")], load_mask, pixels)


@pytest.fixture
def entries(tmp_path):
    """Three entries, of which two show the same image."""
    for name in ("a.png", "b.png"):
        Image.fromarray(RANDOM.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(tmp_path / name)
    for name in ("x.png", "y.png", "z.png"):
        Image.fromarray(RANDOM.integers(0, 2, (20, 30), dtype=np.uint8) * 255).save(tmp_path / name)
    pairs = [("a.png", "x.png"), ("a.png", "y.png"), ("b.png", "z.png")]
    return [
        {"image": str(tmp_path / image), "label": str(tmp_path / label), "prompts": {"p1": [label]}}
        for image, label in pairs
    ]


@pytest.fixture
def made(monkeypatch):
    """The masks that were loaded."""
    names, load = [], LoadMaskd.__call__
    monkeypatch.setattr(
        LoadMaskd, "__call__", lambda self, data: (names.append(data["label"][-5]), load(self, data))[1]
    )
    return names


@pytest.fixture
def build(entries, tmp_path):
    return lambda given=None, image_size=16: ItemsOnDisk(
        entries if given is None else given, reader(image_size), tmp_path / "cache"
    )


def assert_as_read(items, entries, image_size=16):
    for found, expected in zip(items, ItemsFromFiles(entries, reader(image_size)), strict=True):
        assert found.keys() == expected.keys()
        assert found["prompts"] == expected["prompts"]
        for key in PAIR:
            assert found[key].dtype == torch.uint8
            assert torch.equal(found[key], expected[key])


def test_items_are_what_is_read_from_files(build, entries):
    assert_as_read(build(), entries)


def test_entries_of_one_image_share_it(build, tmp_path):
    build()
    assert [len(list((tmp_path / "cache" / name).rglob("*.npy"))) for name in ("images", "masks")] == [2, 3]


def test_a_second_run_makes_one_item_to_know_the_shapes(build, made):
    build()
    made.clear()
    list(build())
    assert made == ["x"]


@pytest.mark.parametrize("key", ["image", "label"])
def test_a_file_that_changed_is_made_anew(build, entries, key):
    build()
    Image.fromarray(RANDOM.integers(0, 2, (20, 30), dtype=np.uint8) * 255).save(entries[2][key])
    assert_as_read(build(), entries)


def test_a_values_file_that_changed_behind_its_header_is_made_anew(build, entries, tmp_path):
    header = "ObjectType = Image\nNDims = 2\nDimSize = 30 20\nElementType = MET_UCHAR\nElementDataFile = values.raw\n"
    (tmp_path / "c.mhd").write_text(header)
    entry = {**entries[0], "image": str(tmp_path / "c.mhd"), "label": str(tmp_path / "c.mhd")}
    found = []
    for value in (0, 255):
        (tmp_path / "values.raw").write_bytes(bytes([0] * 300 + [value] * 300))
        found.append(build([entry])[0]["label"].sum().item())
    assert found[0] == 0 < found[1]


def test_another_size_is_made_anew(build, entries):
    build()
    assert_as_read(build(image_size=32), entries, 32)


def test_what_vanishes_or_is_damaged_is_made_again(build, entries, tmp_path):
    items = build()
    first, second, *_ = sorted((tmp_path / "cache").rglob("*.npy"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    assert_as_read(items, entries)


def test_processes_that_load_data_read_them(build):
    items = [{key: item[key] for key in ("image", "label")} for item in build()]
    batches = DataLoader(items, batch_size=3, num_workers=1)
    assert torch.equal(next(iter(batches))["image"], torch.stack([item["image"] for item in items]))


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), (b"no picture", "cannot be read")])
@pytest.mark.parametrize("key", ["image", "label"])
def test_a_file_that_cannot_be_read_is_named(build, entries, key, content, told):
    path = Path(entries[2][key])
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((RuntimeError, UserError)) as failure:
        build()
    message = str(find_message(failure.value))
    assert told in message
    assert path.name in message


def test_no_entries_are_no_items(build):
    assert len(build([])) == 0


def test_processes_share_the_work(build, made, monkeypatch):
    monkeypatch.setattr("ignite.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("ignite.distributed.get_rank", lambda: 1)
    own = []
    monkeypatch.setattr("ignite.distributed.barrier", lambda: own.extend(made))
    build()
    assert own == ["x", "z"], "the first tells the shapes, the second image is its own"
    assert sorted(made[2:]) == ["x", "y"], "what the other process should have made but did not"


def test_too_little_room_is_told_with_other_ways(build, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(DataError, match=r"not enough room to cache images .*cache_dir.*train_fraction.*'memory'"):
        build()
