"""Options of prepare, and what goes wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_layouts import LAYOUTS, camus_nifti

from monai_vlsm.data.datalist import load_datalist, load_splits
from monai_vlsm.data.prepare import PrepareOptions, is_prepared, prepare, writing
from monai_vlsm.data.prepare import annotations as annotations_module
from monai_vlsm.data.prepare.annotations import Annotations
from monai_vlsm.errors import DataError, MissingFileError


@pytest.fixture
def raw(tmp_path):
    """Write the look-alike of a data set."""

    def write(name: str) -> Path:
        LAYOUTS[name](tmp_path / "raw", np.random.default_rng(0))
        return tmp_path / "raw"

    return write


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Publish medvlsm annotations: {split file: names of masks}; prompts name the mask."""

    def write(folder: str, entries: dict[str, list[str]]) -> Path:
        root = tmp_path / "annotations"
        sums = {}
        for split in ("train", "val", "test"):
            path = root / "medvlsm" / folder / "anns" / f"{split}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            content = [
                {"img_name": f"{name}.png", "mask_name": f"{name}.png", "prompts": {"p0": "", "p1": f"mask {name}"}}
                for name in entries.get(split, [])
            ]
            path.write_text(json.dumps(content))
            sums[path.relative_to(root).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setattr(annotations_module, "known_checksums", lambda: sums)
        return root

    return write


def names(out: Path) -> dict[str, list[str]]:
    return {split: [Path(e["label"]).stem for e in entries] for split, entries in load_splits(out).items()}


def test_published_prompts_and_split_meet_their_images(raw, published, tmp_path):
    annotations = published("busi", {"train": ["1_benign", "2_benign"], "val": ["1_normal"], "test": ["3_malignant"]})
    prepare("busi", [raw("busi")], tmp_path / "out", PrepareOptions(annotations=annotations), progress=False)
    assert names(tmp_path / "out") == {
        "training": ["1_benign", "2_benign"],
        "validation": ["1_normal"],
        "test": ["3_malignant"],
    }
    assert load_splits(tmp_path / "out")["test"][0]["prompts"] == {"p0": [""], "p1": ["mask 3_malignant"]}


def test_what_does_not_meet_is_counted(raw, published, tmp_path):
    annotations = published("busi", {"train": ["1_benign", "99_benign"]})
    report = prepare("busi", [raw("busi")], tmp_path / "out", PrepareOptions(annotations=annotations), progress=False)
    assert report.skipped == [
        ("not in the published annotations", 11, "2_benign"),
        ("published, but not in the source or not usable", 1, "99_benign"),
    ]


def test_entries_of_a_set_that_is_evaluated_only_are_all_for_the_test(raw, published, tmp_path):
    annotations = published("etis_polyp", {"train": ["1"], "test": ["2", "3"]})
    report = prepare("etis", [raw("etis")], tmp_path / "out", PrepareOptions(annotations=annotations), progress=False)
    assert report.entries == {"training": 0, "validation": 0, "test": 3}


def test_camus_trains_on_prompts_from_the_rules(raw, published, tmp_path):
    keys = ["mask_1/patient0001_2CH_ED_gt"]
    annotations = published("camus", {"val": keys, "test": keys})
    report = prepare("camus", [raw("camus")], tmp_path / "out", PrepareOptions(annotations=annotations), progress=False)
    splits = load_splits(tmp_path / "out")
    assert report.entries == {"training": 24, "validation": 1, "test": 1}
    assert [Path(splits[split][0]["image"]).parent.name for split in ("validation", "test")] == ["train", "test"]
    assert {entry["group"] for entry in splits["training"]} == {"train patient0002", "train patient0051"}
    assert set(splits["training"][0]["prompts"]) == {"p0", "p1", "p2", "p3", "p4", "p5", "p6"}
    assert "fifty-six-year-old female with good image quality" in splits["training"][0]["prompts"]["p6"][0]


def test_the_later_release_of_camus_is_not_taken_for_the_published_one(published, tmp_path):
    camus_nifti(tmp_path / "raw", np.random.default_rng(0))
    annotations = published("camus", {"val": ["mask_1/patient0001_2CH_ED_gt"]})
    with pytest.raises(DataError, match=r"none of the 1 published entries .* another release: --prompts generated"):
        prepare("camus", [tmp_path / "raw"], tmp_path / "out", PrepareOptions(annotations=annotations), progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("published", {"training": ["1", "2", "2"], "validation": ["30"], "test": ["31", "90"]}),
        ("deduplicated", {"training": ["2"], "validation": ["30"], "test": ["31", "90"]}),
    ],
)
def test_deduplicated_drops_repeats_and_training_pictures_of_the_test(raw, published, tmp_path, split, expected):
    folder = raw("clinicdb")
    shutil.copy(folder / "Original" / "31.tif", folder / "Original" / "1.tif")
    annotations = published("clinicdb_polyp", {"train": ["1", "2", "2"], "val": ["30"], "test": ["31", "90"]})
    prepare(
        "clinicdb", [folder], tmp_path / "out", PrepareOptions(split=split, annotations=annotations), progress=False
    )
    assert names(tmp_path / "out") == expected


def test_by_sequence_tears_no_sequence_apart(raw, tmp_path):
    prepare("clinicdb", [raw("clinicdb")], tmp_path / "out", PrepareOptions("generated", "by_sequence"), progress=False)
    groups = [{entry["group"] for entry in entries} for entries in load_splits(tmp_path / "out").values()]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 5


def test_by_sequence_is_refused_where_nothing_tells_sequences_apart(raw, tmp_path):
    with pytest.raises(DataError, match="do not tell patients or sequences apart"):
        prepare("udiat", [raw("udiat")], tmp_path / "out", PrepareOptions("generated", "by_sequence"), progress=False)
    assert not (tmp_path / "out").exists()


def test_by_sequence_keeps_no_published_subset(raw, published, tmp_path, monkeypatch):
    annotations = published("clinicdb_polyp", {"train": ["1", "30", "60", "70", "90"]})
    monkeypatch.setattr(Annotations, "subsets", lambda self, data_set: {"0.5": ["1"]})
    for split in ("published", "by_sequence"):
        out = tmp_path / split
        prepare(
            "clinicdb", [raw("clinicdb")], out, PrepareOptions(split=split, annotations=annotations), progress=False
        )
        assert ("subsets" in json.loads((out / "datalist.json").read_text())) == (split == "published")


def test_patients_in_two_splits_are_counted(raw, published, tmp_path):
    annotations = published("clinicdb_polyp", {"train": ["1", "30"], "test": ["2", "60"]})
    report = prepare(
        "clinicdb", [raw("clinicdb")], tmp_path / "out", PrepareOptions(annotations=annotations), progress=False
    )
    assert report.groups_in_several_splits == 1


def test_location_rule_medvlsm_is_passed_on(raw, tmp_path):
    for rule in ("width", "medvlsm"):
        prepare(
            "udiat", [raw("udiat")], tmp_path / rule, PrepareOptions("generated", location_rule=rule), progress=False
        )
    width, medvlsm = (
        [entry["prompts"]["p5"] for entry in load_datalist(tmp_path / rule, "training")]
        for rule in ("width", "medvlsm")
    )
    assert width != medvlsm


def test_a_second_run_finds_all_there_without_asking_for_the_source(raw, tmp_path):
    prepare("udiat", [raw("udiat")], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert is_prepared("udiat", tmp_path / "out", PrepareOptions("generated"))
    with pytest.raises(DataError, match="holds this data set already: remove"):
        prepare("udiat", [tmp_path / "nowhere"], tmp_path / "out", PrepareOptions("generated"), progress=False)


def test_another_data_set_in_its_place_is_left_alone(raw, tmp_path):
    folder = raw("udiat")
    prepare("udiat", [folder], tmp_path / "out", PrepareOptions("generated"), progress=False)
    with pytest.raises(DataError, match="holds another data set"):
        prepare("udiat", [folder], tmp_path / "out", PrepareOptions("generated", seed=1), progress=False)
    assert load_datalist(tmp_path / "out", "training")


def test_images_that_cannot_be_used_are_told_and_left_out(raw, tmp_path):
    folder = raw("udiat")
    (folder / "original" / "000000.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("L", (5, 5)).save(folder / "GT" / "000001.png")
    (folder / "GT" / "000002.png").unlink()
    (folder / "GT" / "000003.png").write_bytes(b"")
    report = prepare("udiat", [folder], tmp_path / "out", PrepareOptions("generated"), progress=False)
    found = {key: reason for reason, _, key in report.skipped}
    assert set(found) == {"000000", "000001", "000002", "000003"}
    assert "image cannot be used" in found["000000"]
    assert "(5, 5)" in found["000001"]
    assert "missing" in found["000002"]
    assert "mask '000003.png' cannot be used" in found["000003"]
    assert sum(report.entries.values()) == len(list((tmp_path / "out" / "images").iterdir())) == 4


def test_files_with_another_range_of_values_are_told_and_left_out(raw, tmp_path):
    folder = raw("udiat")
    Image.new("L", (64, 48), 100).save(folder / "GT" / "000000.png")
    (folder / "original" / "000001.png").unlink()
    Image.fromarray(np.full((48, 64), 3000, np.uint16)).save(folder / "original" / "000001.tif")
    report = prepare("udiat", [folder], tmp_path / "out", PrepareOptions("generated"), progress=False)
    found = {key: reason for reason, _, key in report.skipped}
    assert set(found) == {"000000", "000001"}
    assert "mask '000000.png' cannot be used: its brightest value is 100" in found["000000"]
    assert "beyond 8 bits" in found["000001"]


def test_a_source_of_another_data_set_is_refused_and_leaves_nothing(raw, tmp_path):
    with pytest.raises(DataError, match=r"nothing of BKAI.*bkai-igh-neopolyp\.zip"):
        prepare("bkai", [raw("udiat")], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


def test_two_images_of_one_name_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    LAYOUTS["busuc"](tmp_path / "raw", rng)
    for folder in ("img", "label"):
        source = tmp_path / "raw" / "Train_Folder" / folder / "0001.png"
        Image.fromarray(np.array(Image.open(source))).save(tmp_path / "raw" / "Test_Folder" / folder / "0001.png")
    with pytest.raises(DataError, match=r"two different files of the source would become '0001\.png'"):
        prepare("busuc", [tmp_path / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False)


def test_a_folder_called_testing_above_camus_means_nothing(tmp_path):
    LAYOUTS["camus"](tmp_path / "testing" / "raw", np.random.default_rng(0))
    report = prepare(
        "camus", [tmp_path / "testing" / "raw"], tmp_path / "out", PrepareOptions("generated"), progress=False
    )
    assert report.entries["test"] == 12
    assert report.entries["training"] > 0


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        prepare("udiat", [tmp_path / "nowhere"], tmp_path / "out", PrepareOptions("generated"), progress=False)


def test_a_full_disk_is_told_and_leaves_nothing(raw, tmp_path, monkeypatch):
    def full(mask, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "_write_mask", full)
    with pytest.raises(DataError, match=r"cannot write .*out.*: the disk is full"):
        prepare("udiat", [raw("udiat")], tmp_path / "out", PrepareOptions("generated"), progress=False)
    assert {path.name for path in tmp_path.iterdir()} == {"raw"}


@pytest.mark.parametrize(
    ("name", "prompts", "split", "message"),
    [
        ("busy", None, "published", "no data set 'busy'; known are phantom, kvasir_seg"),
        ("dfu", "medclipseg", "published", "nobody has published medclipseg prompts for dfu"),
        ("dfu", "generated", "random", "got 'generated' and 'random'"),
    ],
)
def test_unknown_names_and_options_are_refused(name, prompts, split, message, tmp_path):
    with pytest.raises(DataError, match=message):
        prepare(name, [tmp_path], tmp_path / "out", PrepareOptions(prompts, split), progress=False)


def test_published_medclipseg_prompts_come_with_variants_and_subsets(raw, shared_folder, tmp_path):
    folder = tmp_path / "raw" / "Dataset_BUSI_with_GT"
    raw("busi")
    for old, new in (("benign (1)", "benign (102)"), ("malignant (1)", "malignant (102)")):
        for path in sorted((folder / old.split()[0]).glob(f"{old}*")):
            path.rename(path.with_name(path.name.replace(old, new)))
    report = prepare(
        "busi",
        [folder],
        tmp_path / "out",
        PrepareOptions("medclipseg", annotations=shared_folder / "annotations"),
        progress=False,
    )
    assert report.entries["test"] > 0
    test = load_datalist(tmp_path / "out", "test")
    assert set(test[0]["prompts"]) == {"p0", "p1", "p2", "p3", "p4", "p5", "p6"}
    assert test[0]["prompts"]["p1"] == ["Tumor in the breast ultrasound image."]


def test_a_missing_source_is_told_before_annotations_are_fetched(tmp_path, monkeypatch):
    asked = "monai_vlsm.data.prepare.convert._published"
    monkeypatch.setattr(asked, lambda *arguments: pytest.fail("they were asked for"))
    with pytest.raises(MissingFileError, match=r"nope\.zip"):
        prepare("busi", [tmp_path / "nope.zip"], tmp_path / "out", progress=False)
