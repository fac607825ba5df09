"""DICOM SEG: read back by highdicom and by pydicom alone, pixel by pixel."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from importlib.metadata import version

import highdicom
import numpy as np
import pytest
from dicom.corpus import CASES, FRAMES, SECRET, SLICES, TWELVE, dataset, gray, placed, save, write_series
from pydicom import dcmread, uid
from pydicom.sr.codedict import codes

from monai_vlsm.dicom.codes import _SNOMED, PRIVATE_SCHEME, codes_of, plain_text
from monai_vlsm.dicom.patient import PASSED_ON, patient_of
from monai_vlsm.dicom.read import read_dicom
from monai_vlsm.dicom.seg import Segment, write_seg
from monai_vlsm.errors import DataError, UserError

LABELS = ("polyp", "left atrium", "Läsion links unten, größer als 5 mm")


def random_segments(shape):
    """Return three segments: two that overlap, and an empty one in the middle."""
    masks = np.random.default_rng(0).random((3, *shape)) > 0.6
    masks[1] = False
    return [Segment(label, mask) for label, mask in zip(LABELS, masks, strict=True)]


def expected(segments):
    """Return (frames, rows, columns, segments)."""
    return np.stack([segment.mask.transpose(2, 1, 0) for segment in segments], axis=-1)


def by_reference(path, files):
    """Read with pydicom alone: put each frame where it says that it belongs."""
    read, uids = dcmread(path), [dcmread(file, stop_before_pixels=True).SOPInstanceUID for file in files]
    pixels = read.pixel_array.reshape(-1, read.Rows, read.Columns)
    frames = len(pixels) // len(read.SegmentSequence)
    found = np.full((frames, read.Rows, read.Columns, len(read.SegmentSequence)), 9)
    order = []
    for frame, group in zip(pixels, read.PerFrameFunctionalGroupsSequence, strict=True):
        holder = group if "SegmentIdentificationSequence" in group else read.SharedFunctionalGroupsSequence[0]
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        index = source.get("ReferencedFrameNumber", 1) - 1 + uids.index(source.ReferencedSOPInstanceUID)
        order.append(index)
        found[index, ..., holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1] = frame
    return found, order


@pytest.mark.parametrize("name", CASES)
def test_a_segmentation_of_every_kind_is_read_back_equal(tmp_path, corpus, name):
    path = corpus[name]
    segments = random_segments(read_dicom(path)[0].shape[:3])
    write_seg(tmp_path / "seg.dcm", segments, path, "0123456789abcdef" * 4)
    found, order = by_reference(tmp_path / "seg.dcm", [path])
    np.testing.assert_array_equal(found, expected(segments))
    assert order == list(range(len(found))) * 3
    read, instance = highdicom.seg.segread(tmp_path / "seg.dcm"), dcmread(path, stop_before_pixels=True)
    numbers = list(range(1, len(found) + 1))
    by_highdicom = (
        read.get_pixels_by_source_frame(instance.SOPInstanceUID, numbers)
        if len(found) > 1
        else read.get_pixels_by_source_instance([instance.SOPInstanceUID])
    )
    np.testing.assert_array_equal(by_highdicom, expected(segments))
    for reference in (read.SourceImageSequence[0], read.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]):
        assert reference.ReferencedSOPClassUID == instance.SOPClassUID


@pytest.mark.parametrize("step", [(0, 0, 5), (0, 0, -5), (0, 1, 5)])
def test_the_frames_of_a_volume_are_in_the_order_of_its_slices(tmp_path, step):
    files = write_series(tmp_path / "s", step)
    segments = random_segments(read_dicom(files)[0].shape)
    write_seg(tmp_path / "seg.dcm", segments, files[::-1])
    ordered = files if step[2] > 0 else files[::-1]
    found, order = by_reference(tmp_path / "seg.dcm", ordered)
    np.testing.assert_array_equal(found, expected(segments))
    assert order == list(range(len(SLICES))) * 3


def test_slices_with_gaps_keep_their_thickness_and_their_distance(tmp_path):
    files = write_series(tmp_path / "s", SliceThickness=3, SpacingBetweenSlices=5)
    write_seg(tmp_path / "seg.dcm", random_segments(read_dicom(files)[0].shape), files)
    (measures,) = dcmread(tmp_path / "seg.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert (measures.SliceThickness, measures.SpacingBetweenSlices) == (3, 5)


def test_a_volume_is_put_together_where_its_image_is(tmp_path, series):
    segments = random_segments(read_dicom(series)[0].shape)[:1]
    write_seg(tmp_path / "seg.dcm", segments, series)
    volume = highdicom.seg.segread(tmp_path / "seg.dcm").get_volume()
    # highdicom counts (slices, rows, columns) in LPS, slices from the other end.
    np.testing.assert_array_equal(volume.array[::-1, ..., 0], expected(segments)[..., 0])
    np.testing.assert_allclose(volume.affine[:3, 3], (10, 20, 30 + 5 * (len(SLICES) - 1)))
    np.testing.assert_allclose(volume.affine[:3, 0], (0, 0, -5))


@pytest.mark.parametrize("name", ["us_gray", "us_film", "ct_rescaled", "mr_enhanced"])
def test_left_stays_left(tmp_path, corpus, name):
    """The mask of what is bright at the top left, made on the array that was read, is at the top left of the SEG."""
    array = read_dicom(corpus[name])[0]
    write_seg(tmp_path / "seg.dcm", [Segment("mark", array == 250)], corpus[name])
    first = dcmread(tmp_path / "seg.dcm").pixel_array.reshape(-1, *array.shape[1::-1])[0]
    assert first[3:8, 4:14].all()
    assert first.sum() == 5 * 10


def test_an_empty_mask_gives_a_file_with_all_frames(tmp_path, corpus):
    write_seg(tmp_path / "seg.dcm", [Segment("polyp", np.zeros((48, 36, FRAMES)))], corpus["us_film"])
    read = dcmread(tmp_path / "seg.dcm")
    assert read.NumberOfFrames == FRAMES
    assert not read.pixel_array.any()


def test_segments_tell_what_they_are_and_who_made_them(tmp_path, corpus):
    segments = random_segments((48, 36, 1))
    write_seg(tmp_path / "seg.dcm", segments, corpus["us_gray"], "0123456789abcdef" * 4)
    read = dcmread(tmp_path / "seg.dcm")
    assert [each.SegmentAlgorithmType for each in read.SegmentSequence] == ["AUTOMATIC"] * 3
    algorithm = read.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "monai_vlsm"
    assert algorithm.AlgorithmVersion == f"{version('monai_vlsm')} checkpoint 0123456789abcdef"
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeValue == codes.DCM.ArtificialIntelligence.value
    kinds = [each.SegmentedPropertyTypeCodeSequence[0] for each in read.SegmentSequence]
    assert [kind.CodingSchemeDesignator for kind in kinds] == ["SCT", "SCT", PRIVATE_SCHEME]
    assert [each.SegmentLabel for each in read.SegmentSequence] == [plain_text(label) for label in LABELS]
    assert read.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == PRIVATE_SCHEME
    assert read.SegmentationType == "BINARY"


def test_it_belongs_to_the_patient_and_the_study_of_its_image(tmp_path, corpus):
    write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), corpus["endoscopy_jpeg"])
    read, image = dcmread(tmp_path / "seg.dcm"), dcmread(corpus["endoscopy_jpeg"])
    for keyword in (*PASSED_ON, "StudyInstanceUID", "SpecificCharacterSet"):
        assert read.get(keyword) == image.get(keyword), keyword
    assert read.LossyImageCompression == "01"
    assert read.SeriesInstanceUID != image.SeriesInstanceUID


def test_what_may_be_empty_is_empty(tmp_path):
    made = dataset(uid.VLPhotographicImageStorage, TWELVE, 12)
    wanted = ["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"]
    for keyword in (*wanted, "AccessionNumber", "ReferringPhysicianName", "SpecificCharacterSet"):
        delattr(made, keyword)
    save(made, tmp_path / "a.dcm")
    write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), tmp_path / "a.dcm")
    read = dcmread(tmp_path / "seg.dcm")
    assert all(keyword in read and not read[keyword].value for keyword in wanted)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_what_dicom_demands_is_named_and_not_invented(tmp_path, keyword):
    made = dataset(uid.UltrasoundImageStorage, TWELVE, 12)
    delattr(made, keyword)
    save(made, tmp_path / "a.dcm")
    with pytest.raises(DataError, match=rf"without {keyword}: DICOM demands it \(type 1\)"):
        write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), tmp_path / "a.dcm")
    assert not (tmp_path / "seg.dcm").exists()


@pytest.mark.parametrize(
    "keyword", ["FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"]
)
def test_a_slice_without_its_place_is_refused_by_name(tmp_path, keyword):
    gray(uid.CTImageStorage, TWELVE, 12, **{**placed((1, 2, 3)), keyword: None})(tmp_path / "a.dcm")
    with pytest.raises(DataError, match=f"without {keyword}:"):
        write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), tmp_path / "a.dcm")


@pytest.mark.filterwarnings("ignore")
def test_an_identifier_that_is_none_is_refused(tmp_path):
    gray(uid.UltrasoundImageStorage, TWELVE, 12, StudyInstanceUID=SECRET)(tmp_path / "a.dcm")
    with pytest.raises(DataError, match=r"StudyInstanceUID of 'a\.dcm' is no valid identifier") as error:
        write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), tmp_path / "a.dcm")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("shape", [(36, 48, 1), (48, 36, 2), (48, 36, 1, 1), (48,)])
def test_a_mask_of_another_size_is_refused_with_both(tmp_path, corpus, shape):
    with pytest.raises(DataError, match=r"mask of 'polyp' has the shape .* 48 columns, 36 rows and 1 frames"):
        write_seg(tmp_path / "seg.dcm", [Segment("polyp", np.zeros(shape))], corpus["us_gray"])


def test_no_segments_are_refused(tmp_path, corpus):
    with pytest.raises(DataError, match="1 to 65,535 segments, not 0"):
        write_seg(tmp_path / "seg.dcm", [], corpus["us_gray"])


def test_without_highdicom_the_extra_is_named(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr("monai_vlsm.dicom.seg.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "monai_vlsm\[dicom\]"'):
        write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), corpus["us_gray"])


def test_a_writer_that_fails_leaves_what_was_there(tmp_path, corpus, monkeypatch):
    write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), corpus["us_gray"])
    before = (tmp_path / "seg.dcm").read_bytes()
    monkeypatch.setattr("highdicom.seg.Segmentation.save_as", lambda self, path: path.write_bytes(b"half") / 0)
    with pytest.raises(ZeroDivisionError):
        write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), corpus["us_gray"])
    assert (tmp_path / "seg.dcm").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["seg.dcm"]


def test_nothing_about_the_patient_is_told_while_writing(tmp_path, caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom about what is written here
        odd = dict.fromkeys(PASSED_ON, "Hopper " * 20)
        gray(uid.UltrasoundImageStorage, TWELVE, 12, **odd)(tmp_path / "a.dcm")
    caplog.set_level(logging.DEBUG)
    caplog.clear()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        write_seg(tmp_path / "seg.dcm", random_segments((48, 36, 1)), tmp_path / "a.dcm")
    assert "Hopper" in (tmp_path / "seg.dcm").read_bytes().decode("latin-1")
    assert "Hopper" not in caplog.text + "".join(str(each.message) for each in warned)


def test_who_it_is_is_read_where_somebody_asks(corpus, tmp_path):
    gray(uid.UltrasoundImageStorage, TWELVE, 12, PatientName="Müller^Jürgen", PatientID=None)(tmp_path / "a.dcm")
    assert patient_of([corpus["us_gray"]]) == {
        "patient_name": SECRET,
        "patient_id": "hopper-1906",
        "birth_date": "19061209",
        "sex": "F",
        "study_date": "20260102",
        "accession_number": "acc-1906",
    }
    assert patient_of(tmp_path / "a.dcm")["patient_name"] == "Müller^Jürgen"
    assert patient_of(tmp_path / "a.dcm")["patient_id"] == ""


# Codes


def test_codes_are_those_of_pydicoms_dictionary():
    from pydicom.sr._concepts_dict import concepts

    known = {value: meaning for names in concepts["SCT"].values() for value, (meaning, _) in names.items()}
    used = {value: meaning for concepts_ in _SNOMED.values() for value, meaning in concepts_}
    used |= {category.value: category.meaning for category in _SNOMED}
    assert set(used) - set(known) == {"41329004"}, "Polyp is a concept of SNOMED CT that DICOM does not list"
    assert len(used) > 20


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Polyp", "41329004"),
        (" skin  lesion ", "52988006"),
        ("breast tumour", "108369006"),
        ("area around the tumor", "AREA_AROUND_THE_"),
        ("polyp-like fold", "POLYP_LIKE_FOLD"),
        ("息肉", None),
    ],
)
def test_only_whole_labels_get_a_public_code(label, expected):
    code = codes_of(label)[1]
    public = expected is not None and expected.isdecimal()
    assert code.scheme == ("SCT" if public else PRIVATE_SCHEME)
    assert len(code.value) <= 16
    if expected is not None and len(expected) <= 15:
        assert code.value == expected


def test_labels_that_differ_have_codes_that_differ():
    labels = ["a long label of a left thing", "a long label of a right thing", "息肉", "囊肿"]
    assert len({codes_of(label)[1].value for label in labels}) == len(labels)


def test_reading_does_without_the_extra():
    code = "import sys, monai_vlsm.dicom.read, monai_vlsm.dicom.seg; print('highdicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
