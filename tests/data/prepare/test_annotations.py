"""Published prompts."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import openpyxl
import pytest

from monai_vlsm.data.prepare import annotations as module
from monai_vlsm.data.prepare.annotations import Annotations, known_checksums
from monai_vlsm.data.prompts import number_in_words
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.data.sets.heart import camus_prompts
from monai_vlsm.data.sets.polyps import clinicdb_sequence
from monai_vlsm.errors import DataError, MissingFileError

MEDVLSM = sorted(name for name, data_set in DATASETS.items() if data_set.medvlsm)
MEDCLIPSEG = sorted(name for name, data_set in DATASETS.items() if data_set.medclipseg)


@pytest.fixture
def published(shared_folder) -> Annotations:
    return Annotations(shared_folder / "annotations")


@pytest.fixture
def own_checksums(monkeypatch, tmp_path):
    """Make a folder of files the published ones."""

    def register(folder: Path) -> Annotations:
        files = [path for path in folder.rglob("*") if path.is_file()]
        sums = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
        monkeypatch.setattr(module, "known_checksums", lambda: sums)
        return Annotations(folder)

    return register


def test_checksums_cover_every_data_set_that_names_annotations():
    folders = {name.rsplit("/", 2)[0] for name in known_checksums()}
    assert {f"medvlsm/{DATASETS[name].medvlsm}" for name in MEDVLSM} <= folders
    assert {f"medclipseg/{DATASETS[name].medclipseg}" for name in MEDCLIPSEG} <= folders


def test_checksums_are_those_of_the_published_files(shared_folder, published):
    names = list(known_checksums())
    assert len(names) == 174
    assert all(published.path(name).is_file() for name in names)


@pytest.mark.parametrize(
    ("name", "counts"),
    {
        "kvasir_seg": (800, 100, 100),
        "bkai": (800, 100, 100),
        "clinicdb": (490, 61, 61),
        "isic16": (810, 90, 379),
        "dfu": (1600, 200, 200),
        "busi": (624, 78, 78),
        "camus": (0, 600, 600),
        "chexlocalize": (1279, 446, 452),
        "colondb": (20, 0, 360),
        "etis": (20, 0, 176),
    }.items(),
)
def test_medvlsm_has_as_many_entries_as_published(published, name, counts):
    splits = [annotation.split for annotation in published.medvlsm(DATASETS[name])]
    assert tuple(splits.count(split) for split in ("training", "validation", "test")) == counts


@pytest.mark.parametrize("name", MEDVLSM)
def test_no_published_text_is_empty_but_p0(published, name):
    entries = published.medvlsm(DATASETS[name])
    assert entries
    for entry in entries:
        assert entry.prompts["p0"] == [""]
        texts = [text for level, sentences in entry.prompts.items() if level != "p0" for text in sentences]
        assert all(text == text.strip() != "" for text in texts)


@pytest.mark.parametrize("name", MEDVLSM)
def test_the_default_prompt_of_a_bundle_is_published_as_p1(published, name):
    texts = {text for entry in published.medvlsm(DATASETS[name]) for text in entry.prompts["p1"]}
    assert DATASETS[name].prompt in texts


@pytest.mark.parametrize("name", MEDCLIPSEG)
def test_medclipseg_has_one_sentence_per_image_and_variants_in_the_test_only(published, name):
    entries = published.medclipseg(DATASETS[name])
    assert entries
    assert all(len(entry.prompts["p2"]) == 1 for entry in entries)
    assert not [entry for entry in entries if entry.split != "test" and set(entry.prompts) != {"p2"}]


@pytest.mark.parametrize(("name", "counts"), [("busi", (62, 156, 312)), ("eus", (2631, 6579, 13159)), ("bkai", ())])
def test_subsets_have_their_published_sizes(published, name, counts):
    assert tuple(len(keys) for keys in published.subsets(DATASETS[name]).values()) == counts


def test_the_rules_give_back_every_published_sentence_of_camus(published):
    words = {number_in_words(number): number for number in range(100)}
    pattern = r"(.+) in (.)\S+ view of the heart at end of the (\w+) cycle of a (\S+)-year-old (.)\w+ with (\w+) image"
    entries = published.medvlsm(DATASETS["camus"])
    assert len(entries) == 1200
    for entry in entries:
        structure, view, cycle, age, sex, quality = re.match(pattern, entry.prompts["p6"][0]).groups()
        facts = {"Sex": sex, "Age": str(words[age]), "ImageQuality": quality.capitalize()}
        ours = camus_prompts(structure, "2CH" if view == "t" else "4CH", {"d": "ED", "s": "ES"}[cycle[0]], facts)
        assert ours == {level: texts for level, texts in entry.prompts.items() if level != "p7"}


def test_the_published_split_of_clinicdb_cuts_through_every_test_sequence(published):
    entries = published.medvlsm(DATASETS["clinicdb"])
    training, test = (
        {clinicdb_sequence(entry.key) for entry in entries if entry.split == split} for split in ("training", "test")
    )
    assert (len(training), len(test), len(training & test)) == (29, 25, 25)


@pytest.mark.parametrize("name", MEDVLSM)
def test_leaks_of_published_splits_are_named(published, name):
    entries = published.medvlsm(DATASETS[name])
    training = {entry.key for entry in entries if entry.split == "training"}
    again = {entry.key for entry in entries if entry.split != "training"} & training
    # The copies in busi have other names: they are told by a published report of its pictures.
    assert bool(again) or name == "busi" if "deduplicated" in DATASETS[name].leaks else not again


def test_the_published_split_of_busbra_has_patients_in_several_splits(published):
    splits: dict[str, set[str]] = {}
    for entry in published.medclipseg(DATASETS["busbra"]):
        splits.setdefault(re.sub(r"\D+", "", entry.key), set()).add(entry.split)
    groups_in_several_splits = sum(len(found) > 1 for found in splits.values())
    assert DATASETS["busbra"].leaks.startswith(f"{groups_in_several_splits} of {len(splits)} patients")


def test_annotations_that_differ_from_the_published_ones_are_refused(tmp_path, own_checksums):
    path = tmp_path / "medvlsm" / "busi" / "anns" / "val.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    annotations = own_checksums(tmp_path)
    path.write_text("[{}]")
    with pytest.raises(DataError, match=r"val\.json.*checksum differs"):
        annotations.medvlsm(DATASETS["busi"])


def test_annotations_that_are_missing_from_a_folder_are_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"medvlsm/busi/anns/train\.json"):
        Annotations(tmp_path).medvlsm(DATASETS["busi"])


def test_without_a_network_the_ways_out_are_named(tmp_path, monkeypatch):
    def refuse(url, path, *rest):
        raise MissingFileError(f"{url} could not be fetched.")

    monkeypatch.setattr(module, "download", refuse)
    with pytest.raises(MissingFileError, match=r"--annotations FOLDER .* --prompts generated"):
        Annotations().medvlsm(DATASETS["busi"])


def test_columns_of_a_sheet_go_by_their_title(tmp_path, own_checksums):
    path = tmp_path / "medclipseg" / "UDIAT" / "Prompts_Folder" / "Train_text.xlsx"
    path.parent.mkdir(parents=True)
    workbook = openpyxl.Workbook()
    for row in (("Mask", "Description", "Image"), ("1.png", " a tumor\n", "one.png"), (None, None, None)):
        workbook.active.append(row)
    workbook.save(path)
    (entry,) = own_checksums(tmp_path).medclipseg(DATASETS["udiat"])
    assert (entry.key, entry.split, entry.prompts) == ("1", "training", {"p2": ["a tumor"]})
