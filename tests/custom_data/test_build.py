"""Tests of custom_data/build.py, writing.py and reading.py: what a user finds in his folder."""

import errno
import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from custom_data.drawn import gray, save_nifti, save_png, square
from forked import die, end_of_fork
from monai.bundle import ConfigParser
from PIL import Image

from monai_vlsm.custom_data import build, make_bundle, writing
from monai_vlsm.data import load_datalist, load_splits
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import LoadMaskd, UprightView, load_image
from monai_vlsm.transforms.upright import upright_slices

CLASSES = {"front": (1,), "back": (2,)}


def make(request, out, **options):
    return make_bundle(request, out, progress=False, **options)


def entries_of(folder):
    return [entry for split in load_splits(folder).values() for entry in split]


def everything(folder):
    """Return all files below a folder with their content."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_picture_with_a_mask_gets_an_entry_with_prompts(ask, polyps):
    summary = make(ask(polyps), polyps)
    entries = entries_of(summary.dataset)
    assert {Path(entry["image"]).name for entry in entries} == {f"{p}_{n}.png" for p in range(5) for n in range(2)}
    assert sum(counts["empty masks"] for counts in summary.splits.values()) == 2


def test_the_class_alone_does_not_tell_that_a_mask_is_empty(ask, polyps):
    entries = entries_of(make(ask(polyps), polyps).dataset)
    assert {entry["prompts"]["p1"][0] for entry in entries} == {"polyp"}
    assert sorted(entry["prompts"]["p2"] == ["no polyp"] for entry in entries) == [False] * 8 + [True] * 2


def test_the_location_in_a_prompt_is_the_one_a_person_sees(ask, polyps):
    entry = next(e for e in entries_of(make(ask(polyps), polyps).dataset) if e["image"].endswith("0_0.png"))
    assert "located in top left of the image" in entry["prompts"]["p6"][0]


def test_patients_stay_together(ask, polyps):
    splits = load_splits(make(ask(polyps, group_pattern=r"(\d+)_"), polyps).dataset)
    groups = [{entry["group"] for entry in entries} for entries in splits.values()]
    assert sorted(group for found in groups for group in found) == ["0", "1", "2", "3", "4"]


def test_raster_images_are_copied_as_they_are(ask, polyps):
    make(ask(polyps), polyps)
    assert everything(polyps / "data" / "mine" / "images") == everything(polyps / "images")


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_images_of_every_mode_are_taken(ask, polyps, mode):
    (polyps / "images" / "0_0.png").unlink()
    picture = Image.fromarray(gray(0).astype(np.uint16)) if mode == "I;16" else Image.fromarray(gray(0)).convert(mode)
    picture.save(polyps / "images" / "0_0.tif")
    make(ask(polyps), polyps)
    assert (polyps / "data" / "mine" / "images" / "0_0.tif").read_bytes() == (
        polyps / "images" / "0_0.tif"
    ).read_bytes()


def test_a_photo_that_is_turned_by_its_exif_data_fits_its_mask(ask, polyps):
    (polyps / "images" / "0_0.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gray(0, (32, 24))).save(polyps / "images" / "0_0.jpg", exif=exif)
    make(ask(polyps), polyps)
    entry = next(e for e in entries_of(polyps / "data" / "mine") if e["image"].endswith("0_0.jpg"))
    image, mask = load_image(entry["image"]), LoadMaskd("label")(entry)["label"]
    assert image.shape[1:] == mask.shape[1:] == (32, 24)


def test_slices_are_what_the_network_sees_at_inference(ask, volumes):
    make(ask(volumes, CLASSES, keep_empty_slices=1), volumes)
    source = load_image(volumes / "images" / "case1.nii.gz")
    seen = upright_slices(source, UprightView.of(source))[3, 0].numpy()
    with Image.open(volumes / "data" / "mine" / "images" / "case1_z003.png") as picture:
        assert np.abs(np.asarray(picture) / 255 - seen).max() <= 0.5 / 255 + 1e-6


def test_slices_are_upright(ask, volumes):
    make(ask(volumes, CLASSES), volumes)
    entry = next(e for e in entries_of(volumes / "data" / "mine") if e["label"].endswith("case0_z003_front.png"))
    assert "located in top of" in entry["prompts"]["p6"][0]


def test_a_slice_gets_an_entry_for_each_class_it_shows(ask, volumes):
    make(ask(volumes, CLASSES, keep_empty_slices=0), volumes)
    labels = {Path(entry["label"]).name for entry in entries_of(volumes / "data" / "mine")}
    assert labels == {f"case{n}_{end}.png" for n in range(4) for end in ("z002_front", "z003_front", "z003_back")}


def test_all_slices_are_kept_on_demand(ask, volumes):
    summary = make(ask(volumes, CLASSES, keep_empty_slices=1), volumes)
    assert sum(counts["entries"] for counts in summary.splits.values()) == 4 * 6 * 2
    assert not any("left out" in note for note in summary.notes)


def test_slices_that_are_left_out_are_counted(ask, volumes):
    summary = make(ask(volumes, CLASSES, keep_empty_slices=0), volumes)
    assert any(note.startswith("left out: 36 pairs") for note in summary.notes)


def test_slices_of_a_volume_stay_together(ask, volumes):
    splits = load_splits(make(ask(volumes, CLASSES), volumes).dataset)
    groups = [{entry["group"] for entry in entries} for entries in splits.values()]
    assert sorted(group for found in groups for group in found) == ["case0", "case1", "case2", "case3"]


def test_values_with_one_name_are_joined(ask, volumes):
    make(ask(volumes, {"organ": (1, 2)}), volumes)
    with Image.open(volumes / "data" / "mine" / "masks" / "case0_z003_organ.png") as mask:
        assert np.count_nonzero(mask) == 4 * 5 + 4 * 4


def test_a_value_without_name_is_left_out(ask, volumes):
    make(ask(volumes, {"front": (1,), "": (2,)}), volumes)
    assert {entry["label"].rpartition("_")[2] for entry in entries_of(volumes / "data" / "mine")} == {"front.png"}


@pytest.mark.parametrize("kind", ["gray", "indexed"])
def test_a_label_map_of_pictures_is_read(ask, polyps, kind):
    for path in (polyps / "masks").iterdir():
        picture = Image.fromarray(square(value=2))
        if kind == "indexed":
            picture = Image.fromarray(square(value=2), mode="P")
            picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
        picture.save(path)
    make(ask(polyps, CLASSES), polyps)
    assert {e["prompts"]["p1"][0] for e in entries_of(polyps / "data" / "mine")} >= {"back"}


def test_the_bundle_finds_its_data_from_the_folder_that_is_named(ask, polyps, monkeypatch):
    make(ask(polyps), polyps, backbone="tiny")
    monkeypatch.chdir(polyps)
    parser = ConfigParser()
    parser.read_config("bundles/mine/configs/train.json")
    assert (parser["backbone"], parser["prompt"], parser["batch_size"]) == ("tiny", "polyp", 4)
    assert parser["negative_fraction"] == 0.2, "one's own networks are to learn what is not there"
    assert load_datalist(parser["dataset_dir"], "training")
    assert (Path("bundles") / "mine" / "configs" / "inference.json").is_file()


def test_the_bundle_names_no_folder_of_its_maker(ask, polyps):
    make(ask(polyps), polyps)
    contents = everything(polyps / "bundles" / "mine")
    assert len(contents) >= 8
    assert not [path for path, content in contents.items() if str(polyps).encode() in content]


def test_a_second_run_changes_nothing(ask, polyps):
    make(ask(polyps), polyps)
    before = everything(polyps)
    assert not make(ask(polyps), polyps).written
    assert everything(polyps) == before


def test_the_same_files_and_seed_give_the_same_data_set_elsewhere(ask, polyps, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    make(ask(polyps), polyps)
    make(ask(polyps), other)
    assert everything(other / "data") == everything(polyps / "data")


def test_a_missing_bundle_is_written_beside_data_that_are_there(ask, polyps):
    make(ask(polyps), polyps)
    shutil.rmtree(polyps / "bundles")
    assert make(ask(polyps), polyps).written
    assert (polyps / "bundles" / "mine" / "configs" / "train.json").is_file()


@pytest.mark.parametrize("change", [{"seed": 1}, {"classes": {"cyst": ()}}, {"group_pattern": r"(\d+)_"}])
def test_another_data_set_in_the_same_place_is_refused(ask, polyps, change):
    make(ask(polyps), polyps)
    before = everything(polyps)
    with pytest.raises(DataError, match="Nothing was changed"):
        make(ask(polyps, **change), polyps)
    assert everything(polyps) == before


def test_masks_that_were_corrected_are_not_taken_for_the_old_ones(ask, volumes):
    make(ask(volumes, classes=CLASSES), volumes)
    mask = sorted((volumes / "masks").iterdir())[0]
    content = bytearray(mask.read_bytes())
    content[len(content) // 2] ^= 1
    mask.write_bytes(content)
    with pytest.raises(DataError, match="Nothing was changed"):
        make(ask(volumes, classes=CLASSES), volumes)


def test_a_name_that_is_taken_by_other_files_is_refused(ask, polyps):
    save_png(polyps / "data" / "mine" / "holiday.png", gray(0))
    with pytest.raises(DataError, match="it holds other files"):
        make(ask(polyps), polyps)
    assert (polyps / "data" / "mine" / "holiday.png").is_file()


def test_a_name_that_is_taken_by_a_bundle_is_refused(ask, polyps):
    make(ask(polyps), polyps)
    shutil.rmtree(polyps / "data")
    with pytest.raises(DataError, match="there is a bundle"):
        make(ask(polyps), polyps)
    assert not (polyps / "data").exists()


def test_a_picture_without_mask_is_skipped_and_named(ask, polyps):
    (polyps / "masks" / "0_1.png").unlink()
    notes = make(ask(polyps), polyps).notes
    assert "skipped: no mask of their name: 1: 0_1.png" in notes


def damage_size(folder):
    save_png(folder / "masks" / "0_0.png", square((24, 30)))
    return r"32, 24, 1.*0_0\.png.*30, 24, 1"


def damage_empty(folder):
    (folder / "images" / "0_0.png").write_bytes(b"")
    return r"images/0_0\.png' cannot be read"


def damage_truncated(folder):
    path = folder / "images" / "0_0.png"
    path.write_bytes(path.read_bytes()[:200])
    return r"images/0_0\.png' cannot be read"


def damage_gray_values(folder):
    save_png(folder / "masks" / "0_0.png", square(value=2))
    return r"masks/0_0\.png' cannot be read: its brightest value is 2"


def damage_indexed(folder):
    labels = square(value=2)
    labels[15:20, 15:20] = 1
    picture = Image.fromarray(labels, mode="P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    picture.save(folder / "masks" / "0_0.png")
    return r"masks/0_0\.png' holds the values 1, 2.*--classes 1=NAME,2=NAME"


@pytest.mark.parametrize("damage", [damage_size, damage_empty, damage_truncated, damage_gray_values, damage_indexed])
def test_a_wrong_picture_is_named_and_nothing_is_written(ask, polyps, damage):
    expected = damage(polyps)
    before = everything(polyps)
    with pytest.raises(DataError, match=f"1 of 10 images cannot be used(.|\n)*{expected}"):
        make(ask(polyps), polyps)
    assert everything(polyps) == before
    assert sorted(path.name for path in polyps.iterdir()) == ["images", "masks"]


def test_all_wrong_pictures_are_named_in_one_message(ask, polyps):
    for name in ("0_0.png", "3_1.png"):
        (polyps / "images" / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 10 (.|\n)*0_0\.png(.|\n)*3_1\.png"):
        make(ask(polyps), polyps)


def test_a_value_that_no_class_has_is_named_with_its_file(ask, volumes):
    with pytest.raises(DataError, match=r"case0\.nii\.gz' holds value 2, which --classes does not name. Add 2=NAME"):
        make(ask(volumes, {"front": (1,)}), volumes)


def test_a_color_picture_is_no_label_map(ask, polyps):
    save_png(polyps / "masks" / "0_0.png", np.stack([square(), square() * 0, square()], axis=-1))
    with pytest.raises(DataError, match=r"0_0\.png' cannot be read: it is a color picture"):
        make(ask(polyps, {"polyp": (255,)}), polyps)


def test_a_label_map_of_volumes_is_no_single_class(ask, volumes):
    with pytest.raises(DataError, match=r"case0\.nii\.gz' holds the values 1, 2"):
        make(ask(volumes), volumes)


def test_a_volume_with_nan_is_named(ask, volumes):
    save_nifti(volumes / "images" / "case2.nii.gz", np.full((12, 20, 6), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match=r"case2\.nii\.gz'.* holds values that are not finite"):
        make(ask(volumes, CLASSES), volumes)


def test_a_mask_with_other_axes_than_its_volume_is_refused(ask, volumes):
    save_nifti(volumes / "masks" / "case2.nii.gz", np.ones((12, 20, 6), dtype=np.uint8), axes=(-1, -1, 1))
    with pytest.raises(DataError, match=r"case2\.nii\.gz' run to RAS.*to LPS"):
        make(ask(volumes, CLASSES), volumes)


def test_volumes_without_any_mask_are_refused(ask, volumes):
    for path in (volumes / "masks").iterdir():
        save_nifti(path, np.zeros((12, 20, 6), dtype=np.uint8))
    with pytest.raises(DataError, match="no slice of 4 volumes shows front or back"):
        make(ask(volumes, CLASSES, keep_empty_slices=0), volumes)


def test_too_few_patients_for_three_splits_are_refused(ask, polyps):
    with pytest.raises(DataError, match="at least 3 groups"):
        make(ask(polyps, group_pattern=r"(_)\d"), polyps)
    assert not (polyps / "data").exists()


def test_a_full_disk_is_told_with_the_space_needed(ask, polyps, monkeypatch):
    def fill(*_arguments, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(build, "write_pairs", fill)
    with pytest.raises(DataError, match=r"is full, it needs more than \d+ MB"):
        make(ask(polyps), polyps)
    assert sorted(path.name for path in polyps.iterdir()) == ["images", "masks"]


def test_too_little_space_is_told_before_anything_is_written(ask, polyps, monkeypatch):
    usage = shutil.disk_usage(polyps)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="0 MB are free"):
        make(ask(polyps), polyps)
    assert sorted(path.name for path in polyps.iterdir()) == ["images", "masks"]


def test_no_patient_is_named_where_nothing_is_known_of_patients(ask, polyps):
    splits = load_splits(make(ask(polyps), polyps).dataset)
    assert not any("group" in entry for entries in splits.values() for entry in entries)


def test_an_interruption_leaves_nothing_behind(ask, polyps, monkeypatch):
    def interrupt(request, pairs, part, *_rest):
        (part / "images").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "write_pairs", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make(ask(polyps), polyps)
    assert sorted(path.name for path in polyps.iterdir()) == ["images", "masks"]


def test_real_volumes_become_a_dataset(ask, shared_folder, tmp_path):
    source = shared_folder / "data" / "hippocampus_3d"
    classes = {"anterior hippocampus": (1,), "posterior hippocampus": (2,)}
    summary = make(ask(tmp_path, classes, images=source / "images", masks=source / "labels"), tmp_path)
    assert {split: counts["groups"] for split, counts in summary.splits.items()} == {
        "training": 16,
        "validation": 2,
        "test": 2,
    }
    description = json.loads((summary.dataset / "datalist.json").read_text())["description"]
    assert "20 images with masks" in description


@pytest.mark.parametrize("value", ["$import os", "@prompt", "", "endo\nscopy", 'endo"scopy'])
def test_a_modality_that_would_be_code_in_a_bundle_is_refused(ask, polyps, value):
    with pytest.raises(DataError, match="a --modality that begins with a letter"):
        make(ask(polyps), polyps, modality=value)


@pytest.mark.parametrize("value", ["$import os", "@prompt", "%train", "", "tinny", "no/such/folder"])
def test_a_backbone_that_is_code_or_nothing_at_all_is_refused(ask, polyps, value):
    with pytest.raises(DataError, match="under --backbone"):
        make(ask(polyps), polyps, backbone=value)


def test_a_class_that_looks_like_a_placeholder_stays_what_it_is(ask, polyps):
    bundle = make(ask(polyps, {"lesion {{title}}": ()}), polyps).bundle
    assert json.loads((bundle / "configs" / "train.json").read_text())["prompt"] == "lesion {{title}}"


def test_the_terms_say_that_prompts_were_made_from_the_masks(ask, polyps):
    terms = (make(ask(polyps), polyps).bundle / "docs" / "data_license.txt").read_text()
    assert "Terms: write down here who may use the images" in terms
    assert terms.endswith("no images. The prompts were made from the masks.\n")


def test_another_backbone_for_a_bundle_that_is_there_is_refused(ask, polyps):
    make(ask(polyps), polyps, backbone="tiny")
    assert not make(ask(polyps), polyps, backbone="tiny").written
    with pytest.raises(DataError, match="is there already, with the backbone 'tiny' and not 'other/backbone'"):
        make(ask(polyps), polyps, backbone="other/backbone")


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_data_set_is_not_written_where_the_next_run_searches(ask, polyps, kind):
    (polyps / kind).rename(polyps / "data")
    with pytest.raises(DataError, match=f"inside of the folder under --{kind}: choose another folder with --out"):
        make(ask(polyps, **{kind: polyps / "data"}), polyps)


def test_fractions_that_cannot_be_are_refused_before_anything_is_read(ask, polyps, monkeypatch):
    monkeypatch.setattr(build, "write_pairs", None)
    with pytest.raises(DataError, match="that add up to 1"):
        make(ask(polyps, fractions=(0.8, 0.3, 0.1)), polyps)


def test_a_killed_run_leaves_no_result_and_the_next_one_is_whole(ask, polyps, monkeypatch):
    write_pair = writing._write_pair

    def write_or_die(request, pair, folder, written):
        return die() if len(written.entries) == 5 else write_pair(request, pair, folder, written)

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_write_pair", write_or_die)
        assert end_of_fork(lambda: make(ask(polyps), polyps)) == -signal.SIGKILL
    (left,) = (polyps / "data").iterdir()
    assert len(list(left.rglob("*.png"))) == 10
    long_ago = time.time() - 2 * 3600
    for path in (left, *left.rglob("*")):
        os.utime(path, (long_ago, long_ago))
    assert make(ask(polyps), polyps).written
    assert [path.name for path in (polyps / "data").iterdir()] == ["mine"]


def test_a_disk_that_fills_up_while_pictures_are_written_leaves_nothing(ask, volumes, monkeypatch):
    save, saved = Image.Image.save, []

    def fill(picture, path, *arguments, **options):
        saved.append(path)
        if len(saved) == 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(picture, path, *arguments, **options)

    monkeypatch.setattr(Image.Image, "save", fill)
    with pytest.raises(DataError, match="the disk is full"):
        make(ask(volumes, CLASSES), volumes)
    assert len(saved) == 7
    assert sorted(path.name for path in volumes.iterdir()) == ["images", "masks"]


def test_a_disk_that_fills_up_while_the_bundle_is_written_leaves_a_whole_data_set(ask, polyps, monkeypatch):
    def fill(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build, "write_bundle", fill)
        with pytest.raises(DataError, match="the disk is full"):
            make(ask(polyps), polyps)
    assert not (polyps / "bundles").exists()
    assert len(entries_of(polyps / "data" / "mine")) == 10
    assert make(ask(polyps), polyps).written
