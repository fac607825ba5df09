"""Which files are put together, and in which order."""

from __future__ import annotations

from dicom.corpus import CASES, TWELVE, dataset, gray, placed, save, write_series
from pydicom import dcmread, uid

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


def test_groups_do_not_depend_on_the_order_of_the_files(corpus, series):
    files = [*corpus.values(), *series]
    assert group_series(files) == group_series(files[::-1])
    assert len(group_series(files)) == len(CASES) + 1
