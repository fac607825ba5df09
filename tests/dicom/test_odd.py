"""Odd and crafted files: refused by the name of what is odd, without a word about the patient."""

from __future__ import annotations

import logging
import os
import warnings
from io import BytesIO

import numpy as np
import pytest
from dicom.corpus import COLORS, FILM, PICTURE, SECRET, TWELVE, dataset, item, placed, save, table, window, write_series
from PIL import Image
from pydicom import dcmread, uid
from pydicom.encaps import encapsulate

from monai_vlsm.dicom.apart import _HELPER, decode_apart
from monai_vlsm.dicom.codestreams import size_in_codestream
from monai_vlsm.dicom.patient import PASSED_ON
from monai_vlsm.dicom.read import read_dicom
from monai_vlsm.dicom.series import group_series
from monai_vlsm.errors import DataError, UserError
from monai_vlsm.transforms import load_image


def write(path, pixels=TWELVE, bits=12, sop_class=uid.CTImageStorage, **elements):
    save(dataset(sop_class, pixels, bits, **{**placed((10, 20, 30)), **window(), **elements}), path)
    return path


PLACEHOLDER = "1234567890.12345"


def write_raw(path, value, **elements):
    """Write a value in place of the placeholder in ``elements``: pydicom would not."""
    content = write(path, **elements).read_bytes()
    assert content.count(PLACEHOLDER.encode()) == 1
    path.write_bytes(content.replace(PLACEHOLDER.encode(), value.ljust(len(PLACEHOLDER)).encode()))
    return path


NUMBERS = ["nan", "NaN", "inf", "-inf", "1e999", "1e300", "0x10", "1_000", "1,5", "1e", "--1", "Hopper^Grace"]
CRAFTED = ["RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "SliceThickness"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("keyword", CRAFTED)
def test_a_number_that_is_none_is_refused_by_name(tmp_path, keyword, value):
    """CVE-2026-48705: values of DS and IS that nobody looked at changed what a network saw."""
    path = write_raw(tmp_path / "a.dcm", value, **{keyword: PLACEHOLDER})
    with pytest.raises(DataError, match=rf"{keyword} in its header is no finite number") as error:
        read_dicom(path)
    assert "Hopper" not in str(error.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("value", ["nan", "inf", "1e13", "Hopper^Grace"])
@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
def test_a_place_that_is_none_is_refused_by_name(tmp_path, keyword, value):
    rest = placed((10, 20, 30))[keyword][1:]
    path = write_raw(tmp_path / "a.dcm", value, **{keyword: [PLACEHOLDER, *rest]})
    with pytest.raises(DataError, match=keyword) as error:
        read_dicom(path)
    assert "Hopper" not in str(error.value)


ODD = {
    "spacing_0": ({"PixelSpacing": [0, 0]}, "PixelSpacing"),
    "spacing_negative": ({"PixelSpacing": [-1, 1]}, "PixelSpacing"),
    "spacing_absurd": ({"PixelSpacing": [1e5, 1]}, "PixelSpacing"),
    "spacing_of_one_axis": ({"PixelSpacing": 1}, "PixelSpacing in its header has 1 values, expected are 2"),
    "thickness_absurd": ({"SliceThickness": 1e5}, "SliceThickness"),
    "slope_0": ({"RescaleSlope": 0, "RescaleIntercept": 0}, "RescaleSlope"),
    "width_0": (window(40, 0), "WindowWidth"),
    "width_negative": (window(40, -400), "WindowWidth"),
    "width_below_1": (window(40, 0.5), "WindowWidth"),
    "function": (window(VOILUTFunction="CUBIC"), "VOILUTFunction"),
    "directions_0": ({"ImageOrientationPatient": [0] * 6}, "ImageOrientationPatient"),
    "directions_long": ({"ImageOrientationPatient": [2, 0, 0, 0, 2, 0]}, "ImageOrientationPatient"),
    "directions_alike": ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "ImageOrientationPatient"),
    "position_of_two": ({"ImagePositionPatient": [1, 2]}, "ImagePositionPatient"),
    "more_bits_stored": ({"BitsStored": 20, "HighBit": 19}, "BitsStored 20 of BitsAllocated 16"),
    "no_bits_stored": ({"BitsStored": 0, "HighBit": 0}, "BitsStored"),
    "bits_allocated": ({"BitsAllocated": 24}, "BitsAllocated"),
    "high_bit": ({"HighBit": 14}, "HighBit"),
    "no_rows": ({"Rows": 0}, "no pixels"),
    "rows_promised": ({"Rows": 60000, "Columns": 8000}, "promises 960,000,000 bytes"),
    "a_row_too_many": ({"Rows": 37}, "promises 3,552 bytes of pixels, it has 3,456"),
    "pixels_beyond_the_limit": ({"Rows": 60000, "Columns": 60000}, "more than the limit"),
    "frames_promised": ({"NumberOfFrames": 2}, "promises 6,912 bytes of voxels, the file has"),
    "frames_negative": ({"NumberOfFrames": -1}, "no pixels"),
    "photometric": ({"PhotometricInterpretation": "HSV"}, "PhotometricInterpretation"),
    "samples": ({"SamplesPerPixel": 3}, "SamplesPerPixel"),
    "colors_of_one_sample": ({"PhotometricInterpretation": "RGB"}, "SamplesPerPixel"),
    "palette_missing": ({"PhotometricInterpretation": "PALETTE COLOR"}, "RedPaletteColorLookupTableData"),
    "table_short": ({"VOILUTSequence": [table(np.arange(10), 0, 16)]}, None),
    "segmentation": ({"SOPClassUID": uid.SegmentationStorage}, "segmentation"),
    "frames_described": ({"PerFrameFunctionalGroupsSequence": item() * 3}, "1 frames, its header describes 3"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("elements", "match"), ODD.values(), ids=ODD)
def test_an_odd_header_is_refused_by_name(tmp_path, elements, match):
    path = write(tmp_path / "a.dcm", **elements)
    if match is None:  # a table that covers few values is fine
        assert read_dicom(path)[0].size
        return
    with pytest.raises(DataError, match=match):
        read_dicom(path)


def test_a_table_shorter_than_it_says_is_refused(tmp_path):
    short = table(np.arange(10), 0, 16)
    short.LUTDescriptor = [4096, 0, 16]
    with pytest.raises(DataError, match="LUTData in its header is shorter than LUTDescriptor says"):
        read_dicom(write(tmp_path / "a.dcm", VOILUTSequence=[short]))


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated"])
def test_a_missing_element_is_named(tmp_path, keyword):
    made = dataset(uid.CTImageStorage, TWELVE, 12)
    made["PixelData"].VR = "OW"
    delattr(made, keyword)
    save(made, tmp_path / "a.dcm")
    with pytest.raises(DataError, match=f"{keyword} in its header is missing"):
        read_dicom(tmp_path / "a.dcm")


@pytest.mark.parametrize("syntax", [uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian])
def test_transfer_syntaxes_that_are_not_read_are_named_or_refused(tmp_path, syntax):
    path = write(tmp_path / "a.dcm")
    content = path.read_bytes()
    old, new = (str(each).encode().ljust(22, b"\0") for each in (uid.ExplicitVRLittleEndian, syntax))
    padded = content.replace(b"UI\x14\x00" + old[:20], b"UI\x16\x00" + new, 1)
    path.write_bytes(padded)
    with pytest.raises(DataError):
        read_dicom(path)


def test_what_holds_no_pixels_is_refused(tmp_path):
    made = dataset(uid.CTImageStorage, TWELVE, 12)
    del made.PixelData
    save(made, tmp_path / "a.dcm")
    with pytest.raises(DataError, match="it holds no pixels"):
        read_dicom(tmp_path / "a.dcm")


def jpeg(size):
    stream = BytesIO()
    Image.new("RGB", size).save(stream, "JPEG")
    return stream.getvalue()


def write_frames(path, frames, **elements):
    made = dataset(uid.VLEndoscopicImageStorage, COLORS, PhotometricInterpretation="YBR_FULL_422", **elements)
    made.PixelData = encapsulate(frames)
    made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    save(made, path)
    return path


def test_a_codestream_of_another_size_is_not_decoded(tmp_path):
    """Decoders reserve what the codestream promises, whatever the checked header says."""
    with pytest.raises(DataError, match=r"promises frames of 36 x 48 pixels, but frame 1 has 5,000 x 6,000"):
        read_dicom(write_frames(tmp_path / "a.dcm", [jpeg((6000, 5000))]))


def test_missing_frames_are_counted(tmp_path):
    with pytest.raises(DataError, match="promises 3 frames, it has 2"):
        read_dicom(write_frames(tmp_path / "a.dcm", [jpeg((48, 36))] * 2, NumberOfFrames=3))


@pytest.mark.parametrize(
    "frame", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\0", b"\0\0\0\x0cjP  ", b"GIF89a", b"\xff\x4f\xff\x51\0"]
)
def test_what_is_no_codestream_is_refused(frame):
    with pytest.raises(DataError, match="damaged"):
        size_in_codestream(frame, uid.JPEGBaseline8Bit)


def test_a_missing_plugin_is_named_with_the_way_to_install_it(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr("monai_vlsm.dicom.pixels.plugin_for", lambda syntax, bits: None)
    with pytest.raises(UserError, match=r"JPEG-LS.*pip install \"monai_vlsm\[dicom\]\""):
        load_image(corpus["mr_jpeg_ls"])


class Abort:
    """Ends the process that unpickles it, as GDCM does over some damaged pixels."""

    def __reduce__(self):
        return os.abort, ()


def test_the_process_that_decodes_may_end_and_is_started_anew(corpus):
    with pytest.raises(DataError, match="its compressed pixels are damaged"):
        decode_apart(Abort())
    assert _HELPER.ask(b"no pickle") == b""
    assert read_dicom(corpus["ct_jpeg_lossless"])[0].shape == (48, 36, 1)


# Series


def write_slices(folder, **changes):
    """Write a series whose third slice has changed elements."""
    paths = write_series(folder)
    made = dcmread(paths[2])
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    save(made, paths[2])
    return folder


MIXED = {
    "two_series": ({"SeriesInstanceUID": "1.2.3"}, "differ in SeriesInstanceUID"),
    "spacing": ({"PixelSpacing": [1, 1]}, "differ in direction or distance of pixels"),
    "direction": ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "differ in direction"),
    "kind": ({"PhotometricInterpretation": "MONOCHROME1"}, "differ in kind of pixels"),
    "size": ({"Rows": 18, "Columns": 96}, "differ in size"),
    "same_place": ({"ImagePositionPatient": [10, 20, 35]}, "lie at one place"),
    "uneven": ({"ImagePositionPatient": [10, 20, 42]}, r"not evenly spaced \(3 to 7 mm\)"),
    "aside": ({"ImagePositionPatient": [14, 20, 40]}, "not evenly spaced"),
    "empty_place": ({"ImagePositionPatient": None}, "is no slice of a series"),
}


@pytest.mark.parametrize(("changes", "match"), MIXED.values(), ids=MIXED)
def test_a_folder_that_is_no_single_series_is_refused(tmp_path, changes, match):
    with pytest.raises(DataError, match=match):
        read_dicom(write_slices(tmp_path / "s", **changes))


EMPTY = ["WindowCenter", "WindowWidth", "SliceThickness", "PixelSpacing", "RescaleSlope", "PixelPaddingValue"]


@pytest.mark.parametrize("keyword", [*EMPTY, "ImagePositionPatient", "ImageOrientationPatient", "NumberOfFrames"])
def test_an_empty_element_is_as_good_as_none(tmp_path, keyword):
    assert read_dicom(write(tmp_path / "a.dcm", **{keyword: None}))[0].shape == (48, 36, 1)


def test_a_missing_slice_is_noticed(tmp_path):
    write_series(tmp_path / "s")[2].unlink()
    with pytest.raises(DataError, match=r"not evenly spaced \(5 to 10 mm\): one is missing"):
        read_dicom(tmp_path / "s")


# Privacy


@pytest.mark.parametrize("is_damaged", [False, True])
def test_nothing_about_the_patient_is_told_by_messages_warnings_and_logs(tmp_path, caplog, is_damaged):
    odd = dict.fromkeys(PASSED_ON, SECRET) | {"InstanceNumber": "1", "ImageComments": SECRET * 9}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom about what is written here
        path = write(tmp_path / "a.dcm", **{**odd, "StudyInstanceUID": "1.2"})
    if is_damaged:
        given, name = b"10.0\\20.0\\30.0", b"Hopper^Grace  "
        assert path.read_bytes().count(given) == 1
        path.write_bytes(path.read_bytes().replace(given, name))
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        group_series([path])
        told = ""
        try:
            load_image(path)
        except DataError as error:
            told = str(error)
    assert bool(told) is is_damaged
    for text in (told, caplog.text, *(str(each.message) for each in warned)):
        assert "Hopper" not in text


def test_the_picture_is_what_is_read(tmp_path):
    """Otherwise the tests above would only show that nothing is."""
    found = read_dicom(write(tmp_path / "a.dcm"))[0]
    np.testing.assert_array_equal(found[..., 0].T, PICTURE)
    assert FILM.shape[0] > 1
