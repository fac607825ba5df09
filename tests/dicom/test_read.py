"""What is read of every kind of DICOM file: values as they are shown, and where they lie in the patient."""

from __future__ import annotations

import subprocess
from pathlib import Path

import itk
import numpy as np
import pytest
from dicom.corpus import CASES, PICTURE, SLICES, TWELVE, dataset, gray, placed, save, window, write_series
from monai.data import ITKReader
from pydicom import uid

from monai_vlsm.dicom.display import Window
from monai_vlsm.dicom.read import read_dicom
from monai_vlsm.predictor import Predictor
from monai_vlsm.transforms import LoadImageAnyd, load_image

ROOT = Path(__file__).resolve().parents[2]
SHARED_SERIES = ROOT.parent / "shared" / "data" / "dicom" / "hippocrop_series"
OLD_PYTHON = ROOT / ".venv-label" / "bin" / "python"
TURNED = {
    "axial": (1, 0, 0, 0, 1, 0),
    "axial_from_above": (-1, 0, 0, 0, 1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "oblique": (0.8, 0.6, 0, 0.36, -0.48, 0.8),
}


def frames(array):
    """Return (frames, rows, columns[, 3]) of what was read."""
    return array.transpose(2, 1, 0, *range(3, array.ndim))


def itk_affine(path):
    reader = ITKReader(imageio=None if path.is_dir() else itk.GDCMImageIO.New())
    return reader.get_data(reader.read(str(path)))[1]["affine"]


def test_the_corpus_has_all_kinds():
    assert len(CASES) >= 24


@pytest.mark.parametrize("name", CASES)
def test_values_are_those_that_are_shown(corpus, name):
    case, found = CASES[name], frames(read_dicom(corpus[name])[0])
    expected = case.shown if case.shown.ndim == found.ndim else case.shown[None]
    assert found.shape == expected.shape
    assert np.abs(found.astype(float) - expected).max() <= case.tolerance


@pytest.mark.parametrize("name", CASES)
def test_the_affine_is_that_of_the_header(corpus, name):
    meta = read_dicom(corpus[name])[1]
    np.testing.assert_allclose(meta["affine"], CASES[name].affine, atol=1e-6)
    assert meta["known_spacing"] == CASES[name].known
    assert meta["space"] == "RAS"


@pytest.mark.parametrize("turned", TURNED.values(), ids=TURNED)
def test_a_slice_lies_where_itk_puts_it(tmp_path, turned):
    elements = {**placed((10.5, -20, 30), turned), "SpacingBetweenSlices": 4}
    save(dataset(uid.MRImageStorage, TWELVE, 12, **elements, Modality="MR"), tmp_path / "a.dcm")
    np.testing.assert_allclose(read_dicom(tmp_path / "a.dcm")[1]["affine"], itk_affine(tmp_path / "a.dcm"), atol=1e-4)


@pytest.mark.parametrize("turned", TURNED.values(), ids=TURNED)
@pytest.mark.parametrize("way", [4, -4])
def test_a_series_lies_where_itk_puts_it_in_the_same_order(tmp_path, turned, way):
    step = tuple(way * np.cross(turned[:3], turned[3:]))
    write_series(tmp_path / "s", step, ImageOrientationPatient=list(turned))
    array, meta = read_dicom(tmp_path / "s")
    np.testing.assert_allclose(meta["affine"], itk_affine(tmp_path / "s"), atol=1e-4)
    np.testing.assert_array_equal(frames(array), SLICES if way > 0 else SLICES[::-1])


@pytest.mark.skipif(not SHARED_SERIES.is_dir(), reason="needs the sample data, which are not in the repository")
def test_a_real_series_lies_where_itk_puts_it():
    array, meta = read_dicom(SHARED_SERIES)
    assert array.shape == (35, 51, 32)
    np.testing.assert_allclose(meta["affine"], itk_affine(SHARED_SERIES), atol=1e-6)


def test_a_tilted_series_keeps_its_tilt(tmp_path):
    """ITK makes the third axis upright, which moves slices."""
    write_series(tmp_path / "s", (0, 1, 5))
    np.testing.assert_allclose(read_dicom(tmp_path / "s")[1]["affine"][:3, 2], (0, -1, 5))


@pytest.mark.parametrize(
    ("given", "known", "expected"),
    [
        ({"PixelSpacing": [0.1, 0.15], "ImagerPixelSpacing": [0.2, 0.3]}, 2, (0.15, 0.1)),
        ({"NominalScannedPixelSpacing": [0.2, 0.3]}, 2, (0.3, 0.2)),
        ({}, 0, (1, 1)),
    ],
)
def test_calibrated_distances_come_first(tmp_path, given, known, expected):
    gray(uid.ComputedRadiographyImageStorage, TWELVE, 12, **given)(tmp_path / "a.dcm")
    meta = read_dicom(tmp_path / "a.dcm")[1]
    assert meta["known_spacing"] == known
    np.testing.assert_allclose(np.abs(np.diag(meta["affine"])[:2]), expected)


@pytest.mark.parametrize(
    ("function", "expected"),
    [("LINEAR", [0, 0, 0.5 + 0.5 / 99, 1, 1]), ("LINEAR_EXACT", [0, 0, 0.5, 1, 1]), ("SIGMOID", None)],
)
def test_windows_follow_the_formulas_of_the_standard(function, expected):
    values = np.array([-100, 0, 50, 100, 300])
    if expected is None:
        expected = 1 / (1 + np.exp(-4 * (values - 50.0) / 100))
    np.testing.assert_allclose(Window(50, 100, function)(values), expected, atol=1e-9)


def test_a_window_of_width_1_is_a_threshold():
    assert Window(50, 1)(np.array([49, 50])).tolist() == [0, 1]


def test_a_windowed_image_is_not_stretched_again(corpus):
    """Its values do not reach 0 and 255, as those of a stretched one would."""
    shown = (load_image(corpus["ct_rescaled"]) * 255).round()
    np.testing.assert_array_equal(shown[0, ..., 0].T, PICTURE)
    assert (shown.min(), shown.max()) == (PICTURE.min(), PICTURE.max())


def test_all_slices_have_the_window_of_the_middle_one(tmp_path):
    paths = write_series(tmp_path / "s")
    for path in (paths[0], paths[-1]):
        other = dataset_of(path)
        other.WindowCenter, other.WindowWidth = 100, 10
        save(other, path)
    np.testing.assert_array_equal(frames(read_dicom(tmp_path / "s")[0]), SLICES)


def dataset_of(path):
    from pydicom import dcmread

    return dcmread(path)


def test_files_of_a_series_are_read_in_any_order(series):
    whole = read_dicom(series[0].parent)[0]
    np.testing.assert_array_equal(read_dicom(series[::-1])[0], whole)
    image = LoadImageAnyd("image")({"image": [str(path) for path in series[::-1]]})["image"]
    np.testing.assert_array_equal(image[0], whole)
    assert image.meta["filename_or_obj"] == str(series[-1])


def test_the_metadata_say_nothing_about_the_patient(corpus):
    """ITK's had every element of the header."""
    assert set(read_dicom(corpus["ct_rescaled"])[1]) == {
        *("affine", "original_affine", "space", "spatial_shape", "original_channel_dim", "known_spacing")
    }


def test_every_way_to_store_a_picture_gives_the_same_mask(corpus, reading_backbone):
    """MONOCHROME1 among them."""
    from monai_vlsm.networks import CLIPSegFineTune

    predictor = Predictor(CLIPSegFineTune(reading_backbone, mode="zero_shot"), threshold=0.5)
    alike = [name for name, case in CASES.items() if case.shown is PICTURE and case.tolerance == 0]
    assert {"cr_window", "cr_monochrome1_window", "cr_monochrome1_8_bit", "mr_jpeg_ls"} <= set(alike)
    found = {name: predictor.set_image(corpus[name]).predict("polyp").probability for name in alike}
    for name, probability in found.items():
        np.testing.assert_array_equal(probability, found["cr_window"], err_msg=name)


def test_monochrome1_without_a_window_gives_the_mask_of_monochrome2(tmp_path, corpus, reading_backbone):
    from monai_vlsm.networks import CLIPSegFineTune

    gray(uid.ComputedRadiographyImageStorage, TWELVE, 12)(tmp_path / "a.dcm")
    predictor = Predictor(CLIPSegFineTune(reading_backbone, mode="zero_shot"))
    one, two = (
        predictor.set_image(path).predict("polyp").probability
        for path in (corpus["cr_monochrome1"], tmp_path / "a.dcm")
    )
    np.testing.assert_array_equal(one, two)


def test_a_predictor_takes_the_files_of_a_series(series, reading_backbone):
    from monai_vlsm.networks import CLIPSegFineTune

    predictor = Predictor(CLIPSegFineTune(reading_backbone, mode="zero_shot"))
    assert predictor.set_image(series).predict("polyp").mask.shape == (*PICTURE.T.shape, len(SLICES))


_READ_ALL = """
import sys
from pathlib import Path
import numpy as np
from monai_vlsm.dicom.read import read_dicom
for path in sorted(Path(sys.argv[1]).glob("*.dcm")):
    np.save(Path(sys.argv[2]) / path.stem, read_dicom(path)[0])
"""


@pytest.mark.skipif(not OLD_PYTHON.exists(), reason="needs .venv-label with pydicom 2, see scripts/label_env.sh")
def test_version_2_of_pydicom_reads_the_same(tmp_path, corpus):
    (tmp_path / "given").mkdir()
    (tmp_path / "found").mkdir()
    names = [name for name in CASES if name not in ("mr_jpeg_ls", "ct_jpeg_lossless")]
    for name in names:
        (tmp_path / "given" / f"{name}.dcm").symlink_to(corpus[name])
    command = [OLD_PYTHON, "-W", "ignore", "-c", _READ_ALL, tmp_path / "given", tmp_path / "found"]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    for name in names:
        np.testing.assert_array_equal(np.load(tmp_path / "found" / f"{name}.npy"), read_dicom(corpus[name])[0])


def test_a_window_of_a_single_value_is_ignored(tmp_path):
    """A center without a width says nothing."""
    elements = {key: value for key, value in window().items() if key == "WindowCenter"}
    gray(uid.ComputedRadiographyImageStorage, TWELVE, 12, **elements)(tmp_path / "a.dcm")
    np.testing.assert_array_equal(frames(read_dicom(tmp_path / "a.dcm")[0])[0], TWELVE)
