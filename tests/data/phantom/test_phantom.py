"""Tests of the drawn data set."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from monai_vlsm.data.datalist import load_datalist
from monai_vlsm.data.phantom import CLASSES, DEFAULT_COUNTS, draw_phantom, write_phantom
from monai_vlsm.errors import DataError

COUNTS = {"training": 3, "validation": 1, "test": 2}


@pytest.fixture(scope="module")
def scenes():
    return [draw_phantom(np.random.default_rng([7, index])) for index in range(60)]


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(out, COUNTS, progress=False)
    return out


def digests(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert paths, "no file at all: two empty folders would be equal"
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("size", [(192, 160), (160, 192), (96, 96), (320, 240)])
def test_image_and_masks_have_the_size_that_was_asked_for(size):
    scene = draw_phantom(np.random.default_rng(0), size)
    assert {scene.image.shape, *(mask.shape for mask in scene.masks.values())} == {(size[1], size[0])}


def test_image_is_gray_with_eight_bits(scenes):
    assert {scene.image.dtype for scene in scenes} == {np.dtype(np.uint8)}


def test_the_same_random_state_draws_the_same_scene():
    first, second = (draw_phantom(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


def test_another_random_state_draws_another_scene():
    first, second = (draw_phantom(np.random.default_rng(seed)) for seed in (3, 4))
    assert (first.image != second.image).mean() > 0.3


def test_objects_of_two_kinds_do_not_touch(scenes):
    touching = [ndimage.binary_dilation(scene.masks["cyst"]) & scene.masks["mass"] for scene in scenes]
    assert not np.any(touching)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_scene_holds_at_most_two_objects_of_a_kind(scenes, kind):
    assert {ndimage.label(scene.masks[kind])[1] for scene in scenes} == {0, 1, 2}


def test_most_scenes_hold_both_kinds(scenes):
    assert np.mean([scene.masks["cyst"].any() and scene.masks["mass"].any() for scene in scenes]) > 0.6


def test_few_scenes_hold_no_object(scenes):
    assert 0 < np.mean([not any(mask.any() for mask in scene.masks.values()) for scene in scenes]) < 0.15


def test_objects_lie_inside_the_field_of_view(scenes):
    seen = [ndimage.binary_fill_holes(ndimage.binary_closing(scene.image > 0, iterations=2)) for scene in scenes]
    masked = [scene.masks["cyst"] | scene.masks["mass"] for scene in scenes]
    assert not np.any(np.array(masked) & ~np.array(seen))


def test_corners_outside_the_field_of_view_are_black(scenes):
    assert not np.any([scene.image[[0, 0, -1, -1], [0, -1, 0, -1]] for scene in scenes])


def test_cysts_are_darker_than_the_tissue_around(scenes):
    pairs = [(scene.image, scene.masks["cyst"]) for scene in scenes if scene.masks["cyst"].any()]
    around = [image[ndimage.binary_dilation(mask, iterations=8) & ~mask].mean() for image, mask in pairs]
    inside = [image[mask].mean() for image, mask in pairs]
    assert np.all(np.array(inside) < 0.6 * np.array(around))


def test_no_threshold_alone_finds_the_cysts(scenes):
    images = np.array([ndimage.gaussian_filter(scene.image, 1.0) for scene in scenes])
    cysts = np.array([scene.masks["cyst"] for scene in scenes])
    view = np.array([ndimage.binary_closing(scene.image > 0, iterations=2) for scene in scenes])
    found = [(images < level) & view for level in range(10, 120, 10)]
    dice = [2 * (mask & cysts).sum() / (mask.sum() + cysts.sum()) for mask in found]
    assert max(dice) < 0.9


def test_the_folder_has_one_entry_per_class_in_an_image(phantom):
    entries = load_datalist(phantom, "training") + load_datalist(phantom, "test")
    pairs = {(entry["image"], entry["label"]) for entry in entries}
    assert len(pairs) == len(entries) > len({image for image, _ in pairs}) == 5


def test_masks_on_disk_are_0_and_255(phantom):
    values = [np.unique(Image.open(path)).tolist() for path in sorted((phantom / "masks").iterdir())]
    assert [0, 255] in values
    assert all(set(found) <= {0, 255} for found in values)


def test_image_and_mask_on_disk_have_the_same_size(phantom):
    entry = load_datalist(phantom, "training")[0]
    assert Image.open(entry["image"]).size == Image.open(entry["label"]).size == (192, 160)


def test_the_class_in_the_prompt_is_the_class_of_the_mask(phantom):
    entries = load_datalist(phantom, "training")
    assert all(entry["prompts"]["p1"][0].removeprefix("no ") in entry["label"].split("_")[-1] for entry in entries)


def test_a_scene_without_objects_gives_one_entry_with_an_empty_mask(tmp_path):
    summary = write_phantom(tmp_path / "phantom", {"training": 30}, progress=False)
    entries = load_datalist(tmp_path / "phantom", "training")
    empty = [entry for entry in entries if not np.any(Image.open(entry["label"]))]
    assert summary["empty_masks"] == {"training": len(empty)}
    assert {entry["prompts"]["p6"][0] for entry in empty} <= {"no cyst", "no mass"}
    assert len({entry["image"] for entry in empty}) == len(empty) > 0


def test_the_summary_counts_the_entries_of_each_split(phantom):
    summary = write_phantom(phantom, COUNTS, progress=False)
    assert summary["entries"] == {split: len(load_datalist(phantom, split)) for split in COUNTS}


def test_the_same_seed_writes_the_same_bytes(phantom, tmp_path):
    write_phantom(tmp_path / "again", COUNTS, progress=False)
    assert digests(tmp_path / "again") == digests(phantom)


def test_another_seed_writes_other_images(phantom, tmp_path):
    write_phantom(tmp_path / "other", COUNTS, seed=1, progress=False)
    names = ["images/training_0000.png", "images/test_0001.png"]
    assert not {digests(tmp_path / "other")[name] for name in names} & {digests(phantom)[name] for name in names}


def test_a_larger_phantom_contains_the_smaller_one(phantom, tmp_path):
    write_phantom(tmp_path / "larger", {**COUNTS, "training": 5}, progress=False)
    larger, smaller = digests(tmp_path / "larger"), digests(phantom)
    assert {name: larger[name] for name in smaller if name.endswith("png")} == {
        name: digest for name, digest in smaller.items() if name.endswith("png")
    }


def test_training_and_test_images_differ(phantom):
    names = digests(phantom)
    assert names["images/training_0000.png"] != names["images/test_0000.png"]


def test_the_same_phantom_is_left_as_it_is(phantom):
    before = {path: path.stat().st_mtime_ns for path in phantom.rglob("*")}
    summary = write_phantom(phantom, COUNTS, progress=False)
    assert summary["written"] is False
    assert {path: path.stat().st_mtime_ns for path in phantom.rglob("*")} == before


def test_the_same_phantom_is_announced_as_being_there(phantom, caplog):
    with caplog.at_level("INFO"):
        write_phantom(phantom, COUNTS, progress=False)
    assert str(phantom) in caplog.text


def test_an_empty_folder_may_be_filled(tmp_path):
    assert write_phantom(tmp_path, {"test": 1}, progress=False)["written"] is True


def test_a_folder_with_other_files_is_refused_and_not_touched(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="other files") as error:
        write_phantom(tmp_path, COUNTS, progress=False)
    assert str(tmp_path) in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_phantom_of_another_seed_is_refused_and_named(phantom):
    with pytest.raises(DataError, match="seed 0"):
        write_phantom(phantom, COUNTS, seed=2, progress=False)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "phantom").write_text("mine")
    with pytest.raises(DataError, match="other files"):
        write_phantom(tmp_path / "phantom", COUNTS, progress=False)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_args, **_options):
        raise OSError("disk full")

    monkeypatch.setattr("monai_vlsm.data.phantom.write.write_datalist", fail)
    with pytest.raises(DataError, match=r"cannot write .*phantom.*disk full"):
        write_phantom(tmp_path / "phantom", COUNTS, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ({"train": 3}, "'train'"),
        ({"training": -1}, "training: -1"),
        ({"training": 1.5}, "training: 1.5"),
        ({"test": 0}, "not all 0"),
        ({}, "not all 0"),
    ],
)
def test_wrong_counts_are_refused_and_named(tmp_path, counts, named):
    with pytest.raises(DataError, match=named):
        write_phantom(tmp_path / "phantom", counts, progress=False)


@pytest.mark.parametrize("seed", [-1, 0.5, "a"])
def test_a_wrong_seed_is_refused_and_named(tmp_path, seed):
    with pytest.raises(DataError, match=repr(seed)):
        write_phantom(tmp_path / "phantom", COUNTS, seed=seed, progress=False)


def test_progress_is_shown_on_request(tmp_path, capsys):
    write_phantom(tmp_path / "phantom", {"test": 1}, progress=True)
    assert "Drawing phantom" in capsys.readouterr().err


def test_default_counts_are_those_of_the_quick_start():
    assert dict(DEFAULT_COUNTS) == {"training": 400, "validation": 30, "test": 50}


def test_the_datalist_names_the_phantom(phantom):
    content = json.loads((phantom / "datalist.json").read_text(encoding="utf-8"))
    assert content["description"].endswith("seed 0, images: 3 training, 1 validation, 2 test")
