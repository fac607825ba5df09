"""Which files are put together, and in which order."""

from __future__ import annotations

import shutil

import pytest
from dicom.corpus import CASES, TWELVE, dataset, gray, placed, save, write_series
from pydicom import DataElement, Dataset, dcmread, uid
from pydicom.datadict import tag_for_keyword

from monai_vlsm.dicom.series import group_series


def test_slices_of_a_series_come_in_order(series):
    assert group_series(sorted(series)) == [tuple(series)]


def test_two_series_in_one_folder_are_two_volumes(tmp_path):
    first, second = write_series(tmp_path / "a"), write_series(tmp_path / "b", (0, 0, -5))
    groups = group_series([*second, *first])
    assert groups == [tuple(first), tuple(second[::-1])]


def test_views_of_a_scout_are_volumes_of_their_own(tmp_path):
    """One series has a few slices of each direction."""
    paths = write_series(tmp_path / "s")
    turned = dcmread(paths[4])
    turned.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    save(turned, paths[4])
    assert group_series(paths) == [tuple(paths[:4]), (paths[4],)]


def test_films_pictures_and_what_cannot_be_read_stand_alone(tmp_path, corpus):
    (tmp_path / "text.dcm").write_text("no DICOM")
    (tmp_path / "none").touch()
    alone = [*corpus.values(), tmp_path / "text.dcm", tmp_path / "none", tmp_path / "missing.dcm"]
    assert sorted(group_series(alone)) == sorted((path,) for path in alone)


def test_radiographs_of_one_series_are_no_volume(tmp_path):
    for name in "ab":
        gray(uid.ComputedRadiographyImageStorage, TWELVE, 12, SeriesInstanceUID="1.2.3")(tmp_path / name)
    assert group_series([tmp_path / "a", tmp_path / "b"]) == [(tmp_path / "a",), (tmp_path / "b",)]


def test_slices_at_one_place_are_in_order_of_their_names(tmp_path):
    """Such a group is refused when it is read, see test_odd.py."""
    for name in ("10", "9"):
        save(dataset(uid.CTImageStorage, TWELVE, 12, **placed((1, 2, 3)), SeriesInstanceUID="1.2.3"), tmp_path / name)
    assert group_series([tmp_path / "10", tmp_path / "9"]) == [(tmp_path / "9", tmp_path / "10")]


@pytest.mark.parametrize("folders", [("one", "two"), ("one", "one")])
def test_copies_of_a_series_are_volumes_of_their_own(tmp_path, folders):
    first = write_series(tmp_path / folders[0])
    (tmp_path / folders[1]).mkdir(exist_ok=True)
    second = [shutil.copy(path, tmp_path / folders[1] / f"{path.stem} (1).dcm") for path in first]
    assert sorted(group_series([*second, *first])) == sorted([tuple(first), tuple(second)])


def test_a_series_in_several_folders_without_copies_is_one_volume(tmp_path):
    paths = write_series(tmp_path / "one")
    (tmp_path / "two").mkdir()
    paths[3:] = [path.rename(tmp_path / "two" / path.name) for path in paths[3:]]
    assert group_series(paths) == [tuple(paths)]


@pytest.mark.parametrize("keyword", ["EchoTime", "SeriesInstanceUID"])
def test_a_file_with_a_sequence_for_a_value_stands_alone(tmp_path, keyword):
    paths = write_series(tmp_path / "s")
    made = dcmread(paths[2])
    made[keyword] = DataElement(tag_for_keyword(keyword), "SQ", [Dataset()])
    made[keyword].is_undefined_length = True
    save(made, paths[2])
    assert (paths[2],) in group_series(paths)


def variants(folder, *changes):
    """Write slices of one series at five places, several at each, which differ in elements; return them by these."""
    given = [{"SeriesInstanceUID": "1.2.3", **own} for own in changes]
    return [tuple(write_series(folder / str(number), **own)) for number, own in enumerate(given)]


@pytest.mark.parametrize(
    "changes",
    [
        [{"EchoNumbers": 1}, {"EchoNumbers": 2}],
        [{"EchoTime": "4.6"}, {"EchoTime": "9.2"}, {"EchoTime": "13.8"}],
        [{"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}],
        [{"ImageType": ["ORIGINAL", "PRIMARY", "M"]}, {"ImageType": ["ORIGINAL", "PRIMARY", "P"]}],
        [{"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}],
        [{"EchoNumbers": echo, "ImageType": ["DERIVED", kind]} for echo in (1, 2) for kind in "MP"],
    ],
)
def test_slices_at_one_place_are_volumes_by_what_tells_them_apart(tmp_path, changes):
    volumes = variants(tmp_path, *changes)
    assert group_series([path for paths in volumes for path in paths]) == volumes


def test_what_differs_from_slice_to_slice_splits_no_volume(tmp_path):
    paths = write_series(tmp_path / "s")
    for number, path in enumerate(paths):
        made = dcmread(path)
        made.AcquisitionNumber, made.EchoTime = number, number
        save(made, path)
    assert group_series(paths) == [tuple(paths)]


def test_where_nothing_tells_slices_at_one_place_apart_nothing_is_guessed(tmp_path):
    volumes = variants(tmp_path, {}, {})
    assert [len(group) for group in group_series([*volumes[0], *volumes[1]])] == [10]


def test_groups_do_not_depend_on_the_order_of_the_files(corpus, series):
    files = [*corpus.values(), *series]
    assert group_series(files) == group_series(files[::-1])
    assert len(group_series(files)) == len(CASES) + 1
