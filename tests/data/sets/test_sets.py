"""From look-alikes of the raw files of every data set to a datalist."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_layouts import LAYOUTS, camus_nifti

from monai_vlsm.data.datalist import SPLITS, load_splits
from monai_vlsm.data.prepare.convert import prepare
from monai_vlsm.data.sets import DATASETS

CASES = {**LAYOUTS, "camus, later release": camus_nifti}


@pytest.fixture(scope="module", params=sorted(CASES))
def converted(request, tmp_path_factory):
    """Name, true masks, report and folder of a data set that was prepared from its look-alike."""
    folder = tmp_path_factory.mktemp("raw")
    truth = CASES[request.param](folder, np.random.default_rng(0))
    out = tmp_path_factory.mktemp("prepared") / "data"
    name = request.param.split(",")[0]
    return name, truth, prepare(name, [folder], out, "generated", progress=False), out


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
    lossy = name in ("kvasir_seg", "bkai")
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
            grey, mask = np.array(image.convert("L"), float), np.array(label) > 0
        assert grey.shape == mask.shape
        assert not mask.any() or grey[mask].mean() > grey[~mask].mean() + 25, entry["image"]


def test_empty_masks_are_counted_and_told_from_p2_on(converted):
    _, truth, report, out = converted
    assert sum(report.empty.values()) == sum(not mask.any() for mask in truth.values())
    for entries in load_splits(out).values():
        for entry in entries:
            empty = not np.array(Image.open(entry["label"])).any()
            assert entry["prompts"]["p3"][0].lower().startswith("no ") == empty
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
    ],
)
def test_the_makers_own_split_is_kept(name, counts, tmp_path):
    LAYOUTS[name](tmp_path / "raw", np.random.default_rng(0))
    report = prepare(name, [tmp_path / "raw"], tmp_path / "out", "generated", progress=False)
    assert list(report.entries.values()) == counts


def test_the_later_release_of_camus_keeps_its_official_split(tmp_path):
    camus_nifti(tmp_path / "raw", np.random.default_rng(0))
    prepare("camus", [tmp_path / "raw"], tmp_path / "out", "generated", progress=False)
    groups = {split: {e["group"] for e in entries} for split, entries in load_splits(tmp_path / "out").items()}
    assert groups["validation"] == {"nifti patient0003"}
    assert groups["test"] == {"nifti patient0004"}


def test_two_masks_of_a_busi_image_are_one_entry(tmp_path):
    truth = LAYOUTS["busi"](tmp_path / "raw", np.random.default_rng(0))
    prepare("busi", [tmp_path / "raw"], tmp_path / "out", "generated", progress=False)
    assert (tmp_path / "raw" / "Dataset_BUSI_with_GT" / "benign" / "benign (2)_mask_1.png").is_file()
    np.testing.assert_array_equal(masks_of(tmp_path / "out")["2_benign"], truth["2_benign"])


def test_a_tumour_of_btmri_is_named_by_its_kind(tmp_path):
    LAYOUTS["btmri"](tmp_path / "raw", np.random.default_rng(0))
    prepare("btmri", [tmp_path / "raw"], tmp_path / "out", "generated", progress=False)
    found = {e["prompts"]["p1"][0] for entries in load_splits(tmp_path / "out").values() for e in entries}
    assert found == {"Meningioma in the brain MRI.", "Glioma in the brain MRI.", "Pituitary tumor in the brain MRI."}


REAL = {
    "busi": ("Dataset_BUSI_with_GT", {"15_benign", "25_benign", "6_malignant", "1_normal"}),
    "kvasir_seg": ("Kvasir-SEG", None),
    "clinicdb": ("CVC-ClinicDB", {"1", "288"}),
    "chexlocalize": (
        "CheXlocalize_sample",
        {"patient64542_study1_view1_frontal_support_devices"}
        | {
            f"patient64541_study1_view1_frontal_{finding}"
            for finding in ("enlarged_cardiomediastinum", "cardiomegaly", "airspace_opacity")
        },
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_raw_files_meet_their_published_prompts(name, shared_folder, tmp_path):
    folder, keys = REAL[name]
    source, annotations = shared_folder / "data" / "raw_samples" / folder, shared_folder / "annotations"
    report = prepare(name, [source], tmp_path / "out", annotations=annotations, progress=False)
    masks = masks_of(tmp_path / "out")
    assert set(masks) == (keys or {path.stem for path in (source / "masks").iterdir()})
    assert sum(report.entries.values()) == len(masks)
    assert [reason for reason, _, _ in report.skipped] == ["published, but not in the source or not usable"]
