"""Headers that name other files, or promise what is not there."""

from __future__ import annotations

import itk
import numpy as np
import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.transforms import load_image

VALUES = np.arange(60, dtype=np.int16).reshape(3, 4, 5) * 100
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    "DimSize = {size}\nElementType = MET_UCHAR\nElementDataFile = {name}\n"
)
NRRD = "NRRD0004\ntype: uint8\ndimension: 3\nsizes: {size}\nencoding: raw\nspace: left-posterior-superior\n"
NRRD += "space directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n{name}\n"


@pytest.fixture
def secret(tmp_path):
    """A file outside of the images' folder, as long as the headers promise."""
    (tmp_path / "images").mkdir()
    (tmp_path / "secret").write_bytes(b"password" * 10)
    (tmp_path / "images" / "link").symlink_to(tmp_path / "secret")
    (tmp_path / "images" / "LIST").write_bytes(bytes(80))
    for number in (1, 2):
        (tmp_path / "images" / f"s{number}.raw").write_bytes(bytes(40))
    return tmp_path / "secret"


NAMES = [
    "{secret}", "../secret", "./../secret", "link", "LIST", "LIST\n{secret}", "LIST 2\n{secret}", "/etc/passwd",
    "s%d.raw 1 2 1", "%s", "images", ".", "..", "", "no such file", "s1.raw\t", "..\\secret",
]  # fmt: skip
REFUSED = [name for name in NAMES if name != "s1.raw\t"]


@pytest.mark.parametrize("name", REFUSED, ids=repr)
@pytest.mark.parametrize("suffix", ["mhd", "mha", "MHD"])
def test_a_metaimage_takes_no_values_from_other_places(tmp_path, secret, name, suffix):
    path = tmp_path / "images" / f"a.{suffix}"
    path.write_text(META.format(size="4 4 5", name=name.format(secret=secret)))
    with pytest.raises(DataError, match=rf"a\.{suffix}"):
        load_image(path)


@pytest.mark.parametrize("name", REFUSED, ids=repr)
@pytest.mark.parametrize("field", ["data file", "datafile", "Data File", "DATAFILE"])
def test_an_nrrd_takes_no_values_from_other_places(tmp_path, secret, name, field):
    path = tmp_path / "images" / "a.nrrd"
    path.write_text(NRRD.format(size="4 4 5", name=f"{field}: {name.format(secret=secret)}\n"))
    with pytest.raises(DataError, match=r"a\.nrrd"):
        load_image(path)


SMUGGLED = [
    "Comment = ElementDataFile = LOCAL\nElementDataFile = ../secret\n",
    "elementdatafile = LOCAL\nElementDataFile = ../secret\n",
    "ElementDataFile = ../secret\nElementDataFile = LOCAL\n",
    "ElementDataFile: ../secret\n",
    "ElementDataFile ../secret\n",
    "ElementDataFile = LOCAL \rElementDataFile = ../secret\n",
    "ElementDataFile = ../secret",
]


@pytest.mark.parametrize("lines", SMUGGLED, ids=repr)
def test_a_header_read_in_two_ways_gives_away_nothing(tmp_path, secret, lines):
    path = tmp_path / "images" / "a.mha"
    path.write_text(META.format(size="4 4 5", name="").rpartition("ElementDataFile")[0] + lines)
    with pytest.raises(DataError, match=r"a\.mha"):
        load_image(path)


@pytest.mark.parametrize("suffix", ["mhd", "mha", "nrrd"])
def test_values_in_the_file_or_beside_it_are_read(tmp_path, suffix):
    itk.imwrite(itk.image_from_array(VALUES), str(tmp_path / f"a.{suffix}"))
    loaded = load_image(tmp_path / f"a.{suffix}")
    assert loaded.shape == (1, 5, 4, 3)
    assert (loaded.flatten().diff() != 0).all()


def test_compressed_values_beside_the_header_are_read(tmp_path):
    itk.imwrite(itk.image_from_array(VALUES), str(tmp_path / "a.mhd"), compression=True)
    assert (tmp_path / "a.zraw").is_file()
    assert load_image(tmp_path / "a.mhd").shape == (1, 5, 4, 3)


def test_an_nrrd_with_its_values_beside_it_is_read(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(range(80)))
    (tmp_path / "a.nrrd").write_text(NRRD.format(size="4 4 5", name="data file: a.raw\n"))
    assert load_image(tmp_path / "a.nrrd").shape == (1, 4, 4, 5)


@pytest.mark.parametrize("text", [META, NRRD], ids=["meta", "nrrd"])
def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path, text):
    path = tmp_path / ("a.mha" if text is META else "a.nrrd")
    path.write_bytes(text.format(size="700 700 700", name="LOCAL" if text is META else "").encode() + bytes(80))
    with pytest.raises(DataError, match=rf"{path.name}.*promises 343,000,000 bytes"):
        load_image(path)


@pytest.mark.parametrize("size", ["4 4 99999999999", "4294967296 4294967296 4", "-4 -4 5", "0 4 5", "4 4 x"])
@pytest.mark.parametrize("text", [META, NRRD], ids=["meta", "nrrd"])
def test_absurd_sizes_are_refused_and_named(tmp_path, text, size):
    path = tmp_path / ("a.mha" if text is META else "a.nrrd")
    path.write_bytes(text.format(size=size, name="LOCAL" if text is META else "").encode() + bytes(80))
    with pytest.raises(DataError, match=path.name):
        load_image(path)


@pytest.mark.parametrize("name", ["a.hdr", "a.img", "a.nhdr", "a.raw", "a.vtk", "a.gipl", "a", "a.pic"])
def test_other_formats_that_itk_knows_are_not_tried(tmp_path, name):
    itk.imwrite(itk.image_from_array(VALUES), str(tmp_path / "made.nrrd"))
    (tmp_path / "made.nrrd").rename(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}' cannot be read"):
        load_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.dcm", "a.nii"])
def test_another_format_under_a_medical_name_is_not_decoded(tmp_path, name):
    itk.imwrite(itk.image_from_array(VALUES.astype(np.uint8)[0]), str(tmp_path / "made.png"))
    (tmp_path / "made.png").rename(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}' cannot be read"):
        load_image(tmp_path / name)
