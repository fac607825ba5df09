"""What real files and published annotations tell, against what was written down of the data sets."""

from __future__ import annotations

from collections import defaultdict

import pytest

from monai_vlsm.data.datalist import load_splits
from monai_vlsm.data.prepare import PrepareOptions, prepare
from monai_vlsm.data.prepare.annotations import Annotations
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.data.sets.chest import qata_subject
from monai_vlsm.data.sets.skin import uwaterloo_lesion

REAL_NAMES = {
    "qata_cov19": {"mask_covid_1", "mask_sub-S08047_ses-E16280_run-1_bp-chest_vp-ap_dx"},
    "uwaterloo_skin": {"dermIS_SSM15_dermoscopy_skin", "dermis_48_dermoscopy_skin", "dermquest_D36_2_dermoscopy_skin"},
    "dfu": {"100001", "102000"},
    "etis": {"1", "196"},
}


@pytest.mark.parametrize("name", REAL_NAMES)
def test_names_of_the_real_files_are_published_ones(name, shared_folder):
    annotations = Annotations(shared_folder / "annotations")
    published = (annotations.medvlsm if DATASETS[name].medvlsm else annotations.medclipseg)(DATASETS[name])
    assert REAL_NAMES[name] <= {entry.key for entry in published}


def test_validation_of_qata_holds_the_subjects_that_its_leaks_name(shared_folder):
    groups = defaultdict(set)
    for entry in Annotations(shared_folder / "annotations").medclipseg(DATASETS["qata_cov19"]):
        groups[entry.split].add(qata_subject(entry.key))
    shared = groups["training"] & groups["validation"]
    assert len(shared) == 434
    assert str(len(shared)) in DATASETS["qata_cov19"].leaks
    assert not groups["test"] & (groups["training"] | groups["validation"])


def test_the_test_of_uwaterloo_holds_the_lesions_that_its_leaks_name(shared_folder):
    groups = defaultdict(set)
    for entry in Annotations(shared_folder / "annotations").medclipseg(DATASETS["uwaterloo_skin"]):
        groups[entry.split].add(uwaterloo_lesion(entry.key))
    assert len(groups["training"] & groups["test"]) == 10


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
    report = prepare(name, [source], tmp_path / "out", PrepareOptions(annotations=annotations), progress=False)
    masks = {path.stem for path in (tmp_path / "out" / "masks").rglob("*.png")}
    assert masks == (keys or {path.stem for path in (source / "masks").iterdir()})
    assert sum(report.entries.values()) == len(masks)
    assert [reason for reason, _, _ in report.skipped] == ["published, but not in the source or not usable"]


def test_a_real_image_of_ph2_is_prepared(shared_folder, tmp_path):
    source = shared_folder / "data" / "raw_samples" / "PH2Dataset"
    report = prepare("ph2", [source], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert (report.entries["test"], report.skipped, report.empty["test"]) == (1, [], 0)
    assert load_splits(tmp_path / "out")["test"][0]["prompts"]["p1"] == ["skin lesion"]


def test_checksums_are_those_that_were_found_published(shared_folder):
    published = (shared_folder / "facts" / "datasets-checked.md").read_text(encoding="utf-8")
    ours = [sha256 for facts in DATASETS.values() for sha256 in facts.downloads.values() if sha256]
    assert len(ours) == 15
    by_hand = [sha256 for name in ("kvasir_instrument", "tn3k") for sha256 in DATASETS[name].checksums.values()]
    assert len(by_hand) == 2
    assert all(sha256 in published for sha256 in ours + by_hand)
