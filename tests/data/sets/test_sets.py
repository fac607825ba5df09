"""From look-alikes of the raw files of every data set to a datalist."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_layouts import LAYOUTS, OTHER_FORMS, camus_nifti
from raw_layouts.layouts import split_folders

from monai_vlsm.data.datalist import SPLITS, load_splits
from monai_vlsm.data.prepare import PrepareOptions, prepare
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.data.sets.polyps import clinicdb_sequence
from monai_vlsm.errors import DataError

CASES = {**LAYOUTS, **OTHER_FORMS}


def test_the_readme_names_every_data_set():
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## Data and bundles")[2].partition("```")[0]
    assert set(re.findall(r"`(\w+)`", table)) == set(DATASETS)


@pytest.fixture(scope="module", params=sorted(CASES))
def converted(request, tmp_path_factory):
    """Name, true masks, report and folder of a data set that was prepared from its look-alike."""
    folder = tmp_path_factory.mktemp("raw")
    truth = CASES[request.param](folder, np.random.default_rng(0))
    out = tmp_path_factory.mktemp("prepared") / "data"
    name = request.param.split(",")[0]
    return name, truth, prepare(name, [folder], out, PrepareOptions("generated"), progress=False), out


def masks_of(out: Path) -> dict[str, np.ndarray]:
    return {
        path.relative_to(out / "masks").with_suffix("").as_posix(): np.array(Image.open(path)) > 0
        for path in (out / "masks").rglob("*.png")
    }


def test_there_is_a_look_alike_of_every_data_set():
    assert set(LAYOUTS) == set(DATASETS) - {"phantom"}


def test_every_case_is_there_and_nothing_is_skipped(converted):
    _, truth, report, out = converted
    assert set(masks_of(out)) == set(truth)
    assert sum(report.entries.values()) == len(truth)
    assert report.skipped == []


def test_masks_are_those_that_were_drawn(converted):
    name, truth, _, out = converted
    lossy = name in ("kvasir_seg", "bkai", "polypgen", "tn3k")
    for key, mask in masks_of(out).items():
        differing = np.count_nonzero(mask != truth[key])
        assert differing <= (0.02 * mask.size if lossy else 0), key


def test_images_are_upright_and_lie_under_their_masks(converted):
    _, _, _, out = converted
    content = json.loads((out / "datalist.json").read_text())
    entries = [entry for split in SPLITS for entry in content[split]]
    assert entries
    for entry in entries:
        with Image.open(out / entry["image"]) as image, Image.open(out / entry["label"]) as label:
            gray, mask = np.array(image.convert("L"), float), np.array(label) > 0
        assert gray.shape == mask.shape
        assert not mask.any() or gray[mask].mean() > gray[~mask].mean() + 25, entry["image"]


def test_empty_masks_are_counted_and_told_from_p2_on(converted):
    _, truth, report, out = converted
    assert sum(report.empty.values()) == sum(not mask.any() for mask in truth.values())
    for entries in load_splits(out).values():
        for entry in entries:
            empty = not np.array(Image.open(entry["label"])).any()
            assert entry["prompts"][max(entry["prompts"])][0].lower().startswith("no ") == empty
            assert not entry["prompts"]["p1"][0].lower().startswith("no ")


def test_p1_is_the_class_alone(converted):
    name, _, _, out = converted
    texts = {text for entries in load_splits(out).values() for e in entries for text in e["prompts"]["p1"]}
    assert DATASETS[name].prompt in texts


def test_groups_stay_in_one_split(converted):
    _, _, _, out = converted
    splits = load_splits(out)
    groups = [{entry.get("group", entry["image"]) for entry in splits[split]} for split in SPLITS]
    assert sum(map(len, groups)) == len(set.union(*groups))


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("isic18", [3, 3, 3]),
        ("busuc", [3, 3, 3]),
        ("isic16", [7, 1, 4]),
        ("qata_cov19", [7, 1, 2]),
        ("etis", [0, 0, 4]),
        ("mosmed", [5, 1, 2]),
        ("kvasir_instrument", [5, 1, 2]),
        ("kvasir_instrument, Kaggle", [5, 1, 2]),
        ("tn3k", [5, 3, 2]),
        ("tn3k, without folds", [7, 1, 2]),
        ("ph2", [0, 0, 4]),
        ("monuseg", [3, 1, 2]),
    ],
)
def test_the_makers_own_split_is_kept(name, counts, tmp_path):
    CASES[name](tmp_path / "raw", np.random.default_rng(0))
    set_name, options = name.split(",")[0], PrepareOptions("generated")
    report = prepare(set_name, [tmp_path / "raw"], tmp_path / "out", options, progress=False)
    assert list(report.entries.values()) == counts


def test_the_later_release_of_camus_keeps_its_official_split(tmp_path):
    camus_nifti(tmp_path / "raw", np.random.default_rng(0))
    prepare("camus", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    groups = {split: {e["group"] for e in entries} for split, entries in load_splits(tmp_path / "out").items()}
    assert groups["validation"] == {"nifti patient0003"}
    assert groups["test"] == {"nifti patient0004"}


def test_two_masks_of_a_busi_image_are_one_entry(tmp_path):
    truth = LAYOUTS["busi"](tmp_path / "raw", np.random.default_rng(0))
    prepare("busi", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert (tmp_path / "raw" / "Dataset_BUSI_with_GT" / "benign" / "benign (2)_mask_1.png").is_file()
    np.testing.assert_array_equal(masks_of(tmp_path / "out")["2_benign"], truth["2_benign"])


def test_a_tumor_of_btmri_is_named_by_its_kind(tmp_path):
    LAYOUTS["btmri"](tmp_path / "raw", np.random.default_rng(0))
    prepare("btmri", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    found = {e["prompts"]["p1"][0] for entries in load_splits(tmp_path / "out").values() for e in entries}
    assert found == {"Meningioma in the brain MRI.", "Glioma in the brain MRI.", "Pituitary tumor in the brain MRI."}


def prompts_of(out: Path, level: str) -> dict[str, str]:
    """Return the first sentence of a level by the stem of the mask."""
    entries = [entry for split in load_splits(out).values() for entry in split]
    return {Path(entry["label"]).stem: entry["prompts"][level][0] for entry in entries}


def test_colors_of_bus_uclm_name_the_kind_of_tumor_from_p2_on(tmp_path):
    LAYOUTS["bus_uclm"](tmp_path / "raw", np.random.default_rng(0))
    prepare("bus_uclm", [tmp_path / "raw"], tmp_path / "out", progress=False)
    assert set(prompts_of(tmp_path / "out", "p1").values()) == {"Tumor in the breast ultrasound image."}
    kinds = {"ALWI": "Benign tumor", "ANFO": "Malignant tumor", "CHPA": "No tumor"}
    assert prompts_of(tmp_path / "out", "p2") == {
        f"{patient}_{number:03d}": f"{kind} in the breast ultrasound image."
        for patient, kind in kinds.items()
        for number in range(2)
    }


def test_masks_of_bus_uclm_that_cannot_be_used_are_told(tmp_path):
    LAYOUTS["bus_uclm"](tmp_path / "raw", np.random.default_rng(0))
    masks = next((tmp_path / "raw").rglob("masks"))
    (masks / "ALWI_000.png").unlink()
    (masks / "ALWI_001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (masks / "ANFO_000.png").write_text("<svg onload=alert(1)>")
    report = prepare("bus_uclm", [tmp_path / "raw"], tmp_path / "out", progress=False)
    assert {key for _, _, key in report.skipped} == {"ALWI_000", "ALWI_001", "ANFO_000"}
    assert report.entries["test"] == 3


@pytest.mark.parametrize("color", [(255, 255, 255), (255, 255, 0)])
def test_a_mask_of_both_colors_names_no_kind(color, tmp_path):
    LAYOUTS["bus_uclm"](tmp_path / "raw", np.random.default_rng(0))
    mask = next((tmp_path / "raw").rglob("masks/ALWI_000.png"))
    pixels = np.array(Image.open(mask)).max(axis=-1, keepdims=True) // 255 * np.array(color, np.uint8)
    Image.fromarray(pixels).save(mask)
    prepare("bus_uclm", [tmp_path / "raw"], tmp_path / "out", progress=False)
    assert prompts_of(tmp_path / "out", "p2")["ALWI_000"] == "Tumor in the breast ultrasound image."


@pytest.mark.parametrize(
    ("form", "count"),
    [
        ("qata_cov19", 8),  # six images of their own and two subjects
        ("qata_cov19, LViT", 6),
        ("uwaterloo_skin, originals", 4),
        ("clinicdb, Kaggle", 4),
        ("polypgen", 6),
        ("bus_uclm", 3),
        ("mosmed, without sentences", 7),
        ("monuseg", 6),
        ("monuseg, LViT", 6),
    ],
)
def test_groups_are_read_off_the_names(form, count, tmp_path):
    CASES[form](tmp_path / "raw", np.random.default_rng(0))
    prepare(form.split(",")[0], [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    entries = [entry for split in load_splits(tmp_path / "out").values() for entry in split]
    assert len({entry["group"] for entry in entries}) == count


def test_polypgen_is_split_by_center(tmp_path):
    LAYOUTS["polypgen"](tmp_path / "raw", np.random.default_rng(0))
    options = PrepareOptions("generated", "by_sequence")
    prepare("polypgen", [tmp_path / "raw"], tmp_path / "out", options, progress=False)
    centers = [{Path(e["image"]).parent.name for e in entries} for entries in load_splits(tmp_path / "out").values()]
    assert sorted(center for found in centers for center in found) == ["C1", "C2", "C3", "C4", "C5", "C6"]
    assert all(centers)


def test_polypgen_takes_no_mask_of_another_center(tmp_path):
    LAYOUTS["polypgen"](tmp_path / "raw", np.random.default_rng(0))
    next((tmp_path / "raw").rglob("masks_C3/100H0050_mask.jpg")).unlink()
    report = prepare("polypgen", [tmp_path / "raw"], tmp_path / "out", progress=False)
    assert report.skipped == [("its mask '100H0050_mask' is missing", 1, "C3/100H0050")]
    assert report.entries["test"] == 11


def test_frames_of_clinicdb_follow_its_29_sequences():
    """First and last frames as in the README of CVC-ClinicDB; other pictures belong to no sequence."""
    found = [clinicdb_sequence(str(frame)) for frame in (1, 25, 26, 591, 592, 612)]
    assert found == [f"sequence {number:02d}" for number in (1, 1, 2, 28, 29, 29)]
    assert not any(map(clinicdb_sequence, ("0", "613", "cover", "1a", "")))


def write_pictures(folder, stem, suffix=".png", value=90, size=(64, 48)):
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, value).save(folder / f"{stem}{suffix}")


@pytest.mark.parametrize("form", ["original", "split folders"])
def test_a_foreign_picture_in_clinicdb_is_told_and_left_out(form, tmp_path):
    """It was a ValueError about int()."""
    if form == "original":
        LAYOUTS["clinicdb"](tmp_path / "raw", np.random.default_rng(0))
        write_pictures(tmp_path / "raw" / "Original", "cover")
    else:
        split_folders(tmp_path / "raw", np.random.default_rng(0), "{}")
        write_pictures(tmp_path / "raw" / "Train_Folder" / "img", "cover")
    report = prepare("clinicdb", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert report.skipped == [("its mask 'cover' is missing", 1, "cover")]


def two_sets(folder):
    """Pictures of two sets with the same names below one folder."""
    for value, name in ((90, "CVC-300"), (100, "ETIS-LaribPolypDB")):
        write_pictures(folder / name / "images", "150", value=value)
        write_pictures(folder / name / "masks", "150", value=255)


def a_resized_copy(folder):
    for size, name in (((64, 48), "Kvasir-SEG"), ((32, 32), "resized")):
        write_pictures(folder / name / "images", "cju1", ".jpg", size=size)
        write_pictures(folder / name / "masks", "cju1", ".jpg", 255, size)


def an_image_without_a_mask(folder):
    write_pictures(folder / "a" / "images", "cju1", ".jpg", 90)
    write_pictures(folder / "a" / "masks", "cju1", ".jpg", 255)
    write_pictures(folder / "b" / "images", "cju1", ".jpg", 100)


@pytest.mark.parametrize("write", [two_sets, a_resized_copy, an_image_without_a_mask])
def test_pictures_of_one_name_are_never_mixed(write, tmp_path):
    """The one whose folder came last was taken, and got the mask of another folder's picture."""
    write(tmp_path / "raw")
    with pytest.raises(DataError, match="two different files of the source have the name"):
        prepare("kvasir_seg", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert not (tmp_path / "out").exists()


def test_a_mask_of_another_tree_is_no_mask(tmp_path):
    an_image_without_a_mask(tmp_path / "raw")
    for stem in ("cju2", "cju3", "cju4"):
        write_pictures(tmp_path / "raw" / "a" / "images", stem)
        write_pictures(tmp_path / "raw" / "a" / "masks", stem, value=255)
    (tmp_path / "raw" / "a" / "images" / "cju1.jpg").unlink()
    report = prepare("kvasir_seg", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert report.skipped == [("its mask 'cju1' is missing", 1, "cju1")]


def test_two_pictures_of_busi_with_one_name_are_refused(tmp_path):
    for folder, value in (("a", 90), ("b", 100)):
        write_pictures(tmp_path / "raw" / folder / "benign", "benign (1)", value=value)
        write_pictures(tmp_path / "raw" / folder / "benign", "benign (1)_mask", value=255)
    with pytest.raises(DataError, match="two different files of the source have the name"):
        prepare("busi", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)


def test_copies_of_the_same_bytes_are_one_picture(tmp_path):
    """Such as an archive beside the folder that was unpacked from it."""
    LAYOUTS["kvasir_seg"](tmp_path / "raw", np.random.default_rng(0))
    shutil.make_archive(str(tmp_path / "raw" / "kvasir-seg"), "zip", tmp_path / "raw", "Kvasir-SEG")
    report = prepare("kvasir_seg", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert (sum(report.entries.values()), report.skipped) == (8, [])


def test_pictures_of_another_set_are_not_taken_for_etis(tmp_path):
    """Their numbers are the same, so that they would get its prompts."""
    write_pictures(tmp_path / "raw" / "CVC-300" / "images", "150")
    write_pictures(tmp_path / "raw" / "CVC-300" / "masks", "150", value=255)
    with pytest.raises(DataError, match="nothing of ETIS-Larib"):
        prepare("etis", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)
