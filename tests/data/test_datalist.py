"""Tests of reading and writing datalists."""

import json
import re
from pathlib import Path

import pytest

from monai_vlsm.data.datalist import SPLITS, load_datalist, load_splits, read_description, write_datalist
from monai_vlsm.errors import DataError, MissingFileError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PROMPTS = {"p0": [""], "p1": ["polyp"]}
PUBLISHED = {"img_name": "1.png", "mask_name": "1.png", "prompts": {"p0": "", "p1": ["polyp", "bump "]}}


def entry(name="1.png", **changes):
    return {"image": f"images/{name}", "label": f"masks/{name}", "prompts": PROMPTS, **changes}


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture
def folder(tmp_path):
    """A data set's folder with two pairs of files and no annotations yet."""
    touch(tmp_path, "images/1.png", "images/2.png", "masks/1.png", "masks/2.png")
    return tmp_path


@pytest.fixture
def published(folder):
    (folder / "anns").mkdir()
    for name, entries in (("train", [PUBLISHED]), ("val", []), ("test", [PUBLISHED])):
        (folder / "anns" / f"{name}.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def write_json(folder, content):
    (folder / "datalist.json").write_text(json.dumps(content), encoding="utf-8")


def test_what_was_written_is_read_with_absolute_paths(folder):
    write_datalist(folder, {"training": [entry("2.png")], "test": [entry()]})
    assert load_datalist(folder, "training") == [
        {"image": str(folder / "images/2.png"), "label": str(folder / "masks/2.png"), "prompts": PROMPTS}
    ]


def test_a_relative_folder_gives_absolute_paths(folder, monkeypatch):
    write_datalist(folder, {"test": [entry()]})
    monkeypatch.chdir(folder.parent)
    assert load_datalist(folder.name, "test")[0]["image"] == str(folder / "images/1.png")


def test_the_order_of_the_entries_is_kept(folder):
    write_datalist(folder, {"test": [entry("2.png"), entry("1.png")]})
    assert [Path(item["image"]).name for item in load_datalist(folder, "test")] == ["2.png", "1.png"]


@pytest.mark.parametrize(
    ("given", "read"), [("polyp", ["polyp"]), (" polyp ", ["polyp"]), (["a ", "b"], ["a", "b"]), ("", [""])]
)
def test_prompts_are_read_as_lists_of_stripped_texts(folder, given, read):
    write_json(folder, {"test": [entry(prompts={"p1": given})]})
    assert load_datalist(folder, "test")[0]["prompts"] == {"p1": read}


def test_the_published_layout_is_read(published):
    assert load_datalist(published, "training") == [
        {
            "image": str(published / "images/1.png"),
            "label": str(published / "masks/1.png"),
            "prompts": {"p0": [""], "p1": ["polyp", "bump"]},
        }
    ]


def test_nothing_is_written_into_a_folder_of_the_published_layout(published):
    before = sorted(published.rglob("*"))
    load_datalist(published, "test")
    assert sorted(published.rglob("*")) == before


def test_a_datalist_is_preferred_to_the_published_layout(published):
    write_datalist(published, {"test": [entry("2.png")]})
    assert Path(load_datalist(published, "test")[0]["image"]).name == "2.png"


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the sample data in {SHARED}, which are not in the repository")
@pytest.mark.parametrize(
    ("name", "split", "count"),
    [
        ("busi", "training", 109),
        ("busi", "validation", 13),
        ("kvasir_polyp", "test", 20),
        ("chexlocalize", "training", 4),
    ],
)
def test_published_annotations_are_read(name, split, count):
    assert len(load_datalist(SHARED / name, split)) == count


def test_an_unknown_split_is_refused_and_named(folder):
    with pytest.raises(DataError, match=r"training, validation, test.*'val'"):
        load_datalist(folder, "val")


def test_a_split_kept_for_calibration_is_read_where_there_is_one(folder):
    write_json(folder, {"training": [entry()], "calibration": [entry("2.png")]})
    assert [found["image"] for found in load_datalist(folder, "calibration")] == [str(folder / "images/2.png")]
    assert list(load_splits(folder)) == [*SPLITS, "calibration"]


def test_a_data_set_without_a_split_for_calibration_says_which_it_has(published):
    assert list(load_splits(published)) == [*SPLITS]
    with pytest.raises(DataError, match=r"'calibration', but it is empty.*splits with entries: training, test"):
        load_datalist(published, "calibration")


def test_a_missing_folder_is_named_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(MissingFileError) as error:
        load_datalist(tmp_path / "busi", "test")
    assert f"{str(tmp_path / 'busi')!r}" in str(error.value)
    assert f"python -m monai_vlsm prepare busi --source DOWNLOAD --out {tmp_path / 'busi'}" in str(error.value)


def test_a_folder_without_annotations_is_named_with_what_it_lacks(folder):
    with pytest.raises(MissingFileError, match=r"datalist\.json.*anns/.*monai_vlsm prepare") as error:
        load_datalist(folder, "test")
    assert str(folder) in str(error.value)


def test_a_missing_published_file_is_named(published):
    (published / "anns" / "test.json").unlink()
    with pytest.raises(MissingFileError, match=r"'test'.*anns/test\.json"):
        load_datalist(published, "test")


def test_broken_json_is_named_with_line_and_column(folder):
    (folder / "datalist.json").write_text('{\n "test": [}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"datalist\.json.*line 2, column 11"):
        load_datalist(folder, "test")


def test_text_that_is_not_utf8_is_refused_and_the_file_named(folder):
    (folder / "datalist.json").write_bytes(b'{"test": "\xff"}')
    with pytest.raises(DataError, match=r"UTF-8.*datalist\.json"):
        load_datalist(folder, "test")


def test_a_byte_order_mark_is_ignored(folder):
    (folder / "datalist.json").write_text(json.dumps({"test": [entry()]}), encoding="utf-8-sig")
    assert len(load_datalist(folder, "test")) == 1


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([], r"training, validation, test.*datalist\.json.*list"),
        ({"test": {}}, r"key 'test'.*dict"),
        ({"test": ["1.png"]}, r"entry 0.*'image'"),
        ({"test": [entry(), {"image": "images/1.png", "prompts": PROMPTS}]}, r"entry 1.*'label'.*None"),
        ({"test": [entry(image=5)]}, r"entry 0.*'image'.*5"),
        ({"test": [entry(image="")]}, r"entry 0.*'image'.*''"),
        ({"test": [entry(prompts=None)]}, r"entry 0.*'prompts'.*None"),
        ({"test": [entry(prompts={})]}, r"entry 0.*'prompts'.*\{\}"),
        ({"test": [entry(prompts={"level1": "polyp"})]}, r"entry 0.*'prompts'.*'level1'"),
        ({"test": [entry(prompts={"p1": []})]}, r"entry 0.*'p1'.*\[\]"),
        ({"test": [entry(prompts={"p1": [3]})]}, r"entry 0.*'p1'.*\[3\]"),
        ({"test": [entry(prompts={"p1": 3})]}, r"entry 0.*'p1'.*3"),
    ],
)
def test_a_wrong_structure_is_refused_with_entry_and_key(folder, content, named):
    write_json(folder, content)
    with pytest.raises(DataError, match=named):
        load_datalist(folder, "test")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"img_name": None}, r"test\.json, entry 0.*'img_name'"),
        ({"mask_name": None}, r"test\.json, entry 0.*'mask_name'"),
        ({"prompts": None}, r"test\.json, entry 0.*'prompts'"),
        ({"img_name": "../1.png"}, r"entry 0.*'img_name'.*'\.\./1\.png'"),
        ({"img_name": "/1.png"}, r"entry 0.*'img_name'.*'/1\.png'"),
    ],
)
def test_a_wrong_published_entry_is_refused_with_entry_and_key(published, changes, named):
    (published / "anns" / "test.json").write_text(json.dumps([{**PUBLISHED, **changes}]), encoding="utf-8")
    with pytest.raises(DataError, match=named):
        load_datalist(published, "test")


@pytest.mark.parametrize(
    "path", ["/etc/hosts", "../1.png", "images/../../1.png", "C:\\1.png", "C:1.png", "\\\\host\\1.png"]
)
@pytest.mark.parametrize("key", ["image", "label"])
def test_a_path_that_leaves_the_folder_is_refused_and_named(folder, key, path):
    write_json(folder, {"test": [entry(**{key: path})]})
    with pytest.raises(DataError, match=rf"entry 0.*'{key}', got {re.escape(repr(path))}"):
        load_datalist(folder, "test")


def test_two_dots_that_stay_in_the_folder_are_resolved(folder):
    write_json(folder, {"test": [entry(image="masks/../images/1.png")]})
    assert load_datalist(folder, "test")[0]["image"] == str(folder / "images/1.png")


@pytest.mark.parametrize("content", [{"training": [entry()], "validation": []}, {"training": [entry()]}])
def test_an_empty_split_is_named_with_those_that_have_entries(folder, content):
    write_json(folder, content)
    with pytest.raises(DataError, match=r"'validation'.*empty.*splits with entries: training\."):
        load_datalist(folder, "validation")


def test_an_empty_published_split_is_named_with_those_that_have_entries(published):
    with pytest.raises(DataError, match=r"'validation'.*val\.json.*splits with entries: training, test\."):
        load_datalist(published, "validation")


def test_a_data_set_without_any_entry_says_so(folder):
    write_json(folder, {})
    with pytest.raises(DataError, match="splits with entries: none"):
        load_datalist(folder, "test")


def test_missing_files_are_counted_and_the_first_three_named(folder):
    write_json(folder, {"test": [entry(), *(entry(f"{number}.png") for number in (7, 8))]})
    with pytest.raises(MissingFileError, match=r"expected 6 files.*4 are missing") as error:
        load_datalist(folder, "test")
    named = [name for name in ("images/7", "masks/7", "images/8", "masks/8") if str(folder / name) in str(error.value)]
    assert named == ["images/7", "masks/7", "images/8"]


def test_missing_files_of_another_split_do_not_matter(folder):
    write_json(folder, {"test": [entry()], "training": [entry("7.png")]})
    assert len(load_datalist(folder, "test")) == 1


def test_a_file_that_two_entries_share_is_counted_once(folder):
    write_json(folder, {"test": [entry("7.png"), entry("7.png")]})
    with pytest.raises(MissingFileError, match="expected 2 files"):
        load_datalist(folder, "test")


def test_the_written_file_has_all_splits_in_order(folder):
    write_datalist(folder, {"test": [entry()]})
    assert list(json.loads((folder / "datalist.json").read_text(encoding="utf-8"))) == list(SPLITS)


def test_the_written_file_is_readable_text(folder):
    write_datalist(folder, {"test": [entry(prompts={"p1": "Läsion"})]})
    text = (folder / "datalist.json").read_text(encoding="utf-8")
    assert '\n "test": [\n  {\n   "image": "images/1.png",\n' in text
    assert "Läsion" in text
    assert text.endswith("}\n")


def test_the_description_is_kept(folder):
    write_datalist(folder, {"test": [entry()]}, description="drawn")
    assert read_description(folder) == "drawn"


@pytest.mark.parametrize("content", [[], {}, {"description": 3}])
def test_a_datalist_without_description_has_an_empty_one(folder, content):
    write_json(folder, content)
    assert read_description(folder) == ""


@pytest.mark.parametrize(
    ("splits", "error", "named"),
    [
        ({"train": [entry()]}, DataError, "'train'"),
        ({"test": []}, DataError, "at least one entry"),
        ({"test": [entry(), entry(image="/1.png")]}, DataError, r"'test', entry 1.*'image'"),
        ({"test": [entry(prompts={"p1": 1})]}, DataError, r"'test', entry 0.*'p1'"),
        ({"test": [entry("7.png")]}, MissingFileError, r"images/7\.png"),
    ],
)
def test_wrong_entries_are_not_written(folder, splits, error, named):
    with pytest.raises(error, match=named):
        write_datalist(folder, splits)
    assert not (folder / "datalist.json").exists()


def test_writing_needs_the_folder(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        write_datalist(tmp_path / "nowhere", {"test": [entry()]})


def test_a_failed_write_keeps_the_older_file_and_leaves_no_other(folder, monkeypatch):
    write_datalist(folder, {"test": [entry()]})
    before = (folder / "datalist.json").read_bytes()

    def fail(*_paths):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(DataError, match="disk full"):
        write_datalist(folder, {"test": [entry("2.png")]})
    assert (folder / "datalist.json").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["datalist.json", "images", "masks"]


def test_the_group_of_an_entry_is_kept(folder):
    write_datalist(folder, {"test": [entry(group="patient0001"), entry("2.png")]})
    first, second = load_datalist(folder, "test")
    assert first["group"] == "patient0001"
    assert "group" not in second


@pytest.mark.parametrize("group", ["", 1, None, ["a"]])
def test_a_group_that_is_no_name_is_refused(folder, group):
    with pytest.raises(DataError, match="entry 0: expected the name of a patient"):
        write_datalist(folder, {"test": [entry(group=group)]})


def test_all_splits_are_read_at_once_with_empty_ones_and_missing_files(published):
    (published / "masks/1.png").unlink()
    splits = load_splits(published)
    assert {split: len(entries) for split, entries in splits.items()} == {"training": 1, "validation": 0, "test": 1}
    assert splits["test"][0]["label"] == str(published / "masks/1.png")


@pytest.fixture
def forty(tmp_path):
    """A folder with 40 training entries of 20 patients, and as many of the test."""
    names = [f"{i:02d}.png" for i in range(40)]
    touch(tmp_path, *(f"{kind}/{name}" for kind in ("images", "masks") for name in names))
    entries = [entry(name, group=f"patient {int(name[:2]) // 2}") for name in names]
    write_datalist(tmp_path, {"training": entries, "test": entries}, subsets={"0.25": ["images/03.png"]})
    return tmp_path


@pytest.mark.parametrize(("fraction", "count"), [(1.0, 40), (0.5, 20), (0.1, 4), (0.01, 2)])
def test_a_fraction_keeps_that_part_of_the_patients(forty, fraction, count):
    kept = load_datalist(forty, "training", fraction)
    assert len(kept) == count
    assert len({item["group"] for item in kept}) == count / 2


def test_a_smaller_fraction_is_part_of_a_larger_one(forty):
    small, large = ({item["image"] for item in load_datalist(forty, "training", part, seed=3)} for part in (0.2, 0.6))
    assert small < large


def test_another_seed_draws_another_part(forty):
    first, second = (load_datalist(forty, "training", 0.2, seed=seed) for seed in (0, 1))
    assert first != second


def test_a_published_subset_is_kept_as_it_is(forty):
    assert [Path(item["image"]).name for item in load_datalist(forty, "training", 0.25)] == ["03.png"]


def test_a_fraction_leaves_other_splits_whole(forty):
    assert len(load_datalist(forty, "test", 0.1)) == 40


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5])
def test_a_fraction_out_of_range_is_refused(forty, fraction):
    with pytest.raises(DataError, match=f"got {fraction}"):
        load_datalist(forty, "training", fraction)


def test_the_published_layout_has_seeded_subsets(published):
    assert len(load_datalist(published, "training", 0.5)) == 1
