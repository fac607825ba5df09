"""What PH2's folders may lack, or have too much of."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from raw_layouts import LAYOUTS

from monai_vlsm.data.prepare import PrepareOptions, prepare
from monai_vlsm.errors import DataError


@pytest.fixture
def raw(tmp_path):
    LAYOUTS["ph2"](tmp_path / "raw", np.random.default_rng(0))
    return tmp_path / "raw"


def prepared(raw):
    return prepare("ph2", [raw], raw.parent / "out", PrepareOptions("generated"), progress=False)


def test_an_image_of_ph2_without_a_lesion_mask_is_told_and_never_gets_that_of_a_region(raw):
    shutil.rmtree(next(raw.rglob("IMD003_lesion")))
    assert prepared(raw).skipped == [("its mask 'IMD003_lesion' is missing", 1, "IMD003")]


def test_a_mask_in_the_folder_of_another_image_is_no_mask(raw):
    folder = next(raw.rglob("IMD003_lesion"))
    (folder / "IMD003_lesion.bmp").rename(folder / "IMD010_lesion.bmp")
    assert prepared(raw).skipped == [("its mask 'IMD003_lesion' is missing", 1, "IMD003")]


def test_two_different_images_of_one_number_are_refused(raw):
    other = raw / "copy" / "IMD003_Dermoscopic_Image"
    other.mkdir(parents=True)
    shutil.copy(next(raw.rglob("IMD010.bmp")), other / "IMD003.bmp")
    with pytest.raises(DataError, match="two different files of the source have the name 'IMD003'"):
        prepared(raw)


def test_the_archive_that_was_unpacked_beside_itself_is_one_data_set(raw):
    shutil.make_archive(str(raw / "ph2-dataset"), "zip", raw, "PH2Dataset")
    report = prepared(raw)
    assert (report.entries["test"], report.skipped) == (4, [])
