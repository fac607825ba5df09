"""Raster files from anywhere are opened without trusting their names."""

from __future__ import annotations

import random
import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from monai_vlsm.data.check.files import read_files
from monai_vlsm.data.pictures import digest_of_pixels, write_mask
from monai_vlsm.data.sets.raw import open_raw_picture, read_mask
from monai_vlsm.errors import DataError
from monai_vlsm.transforms import load_image

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%BeginBinary: 1\n"
FORMATS = {"png": {}, "jpg": {}, "bmp": {}, "tif": {"compression": "tiff_lzw"}, "webp": {"lossless": True}}
NOISE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.mark.parametrize("read", [open_raw_picture, read_mask])
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif"])
def test_postscript_under_the_name_of_a_picture_never_reaches_ghostscript(tmp_path, monkeypatch, read, name):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *arguments, **options: pytest.fail("it was started"))
    (tmp_path / name).write_bytes(EPS)
    with pytest.raises(DataError, match="no picture of the formats PNG, JPEG"):
        read(tmp_path / name)


def test_the_content_decides_among_the_formats_that_are_known(tmp_path):
    Image.fromarray(NOISE).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    np.testing.assert_array_equal(np.array(open_raw_picture(tmp_path / "x.jpg")), NOISE)


@pytest.mark.parametrize("read", [open_raw_picture, read_mask])
def test_a_bomb_is_refused_by_its_header(tmp_path, read):
    header = struct.pack(">2I5B", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    with pytest.raises(DataError, match="more than the limit"):
        read(tmp_path / "x.png")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("read", [open_raw_picture, read_mask])
def test_no_damage_leads_to_another_error(tmp_path, suffix, read):
    path, rng = tmp_path / f"x.{suffix}", random.Random(suffix)
    Image.fromarray(NOISE).save(path, **FORMATS[suffix])
    whole = path.read_bytes()
    refused = 0
    for _ in range(60):
        content = bytearray(whole[: rng.choice((len(whole), len(whole), rng.randrange(len(whole))))])
        for _ in range(min(len(content), 5)):
            content[rng.randrange(min(len(content), 300))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            read(path)
        except DataError:
            refused += 1
    assert refused, "nothing was damaged: the test shows nothing"


def test_several_pictures_in_a_file_are_refused(tmp_path):
    first, *others = (Image.fromarray(NOISE + shift) for shift in (0, 1, 2))
    first.save(tmp_path / "x.tif", save_all=True, append_images=others)
    with pytest.raises(DataError, match="3 pictures, one is expected"):
        open_raw_picture(tmp_path / "x.tif")


def test_a_picture_is_turned_as_its_exif_data_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(NOISE).save(tmp_path / "x.png", exif=exif)
    assert open_raw_picture(tmp_path / "x.png").size == (20, 30)
    assert read_mask(tmp_path / "x.png").shape == (30, 20)


@pytest.mark.parametrize(
    "save", [lambda image: image, lambda image: image.convert("RGB"), lambda image: image.quantize()]
)
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_prepare_and_check_take_the_same_pictures_for_equal(tmp_path, save, suffix):
    """Else --split deduplicated would leave in what check calls a leak."""
    gray = Image.fromarray(NOISE[..., 0] // 4 * 4)
    save(gray).save(tmp_path / f"x.{suffix}")
    expected = digest_of_pixels(np.array(gray)[..., None])
    prepared = digest_of_pixels(np.array(open_raw_picture(tmp_path / f"x.{suffix}").convert("RGB")))
    path = str(tmp_path / f"x.{suffix}")
    read = lambda name: load_image(name).numpy()  # noqa: E731
    entries = {"training": [{"image": path, "label": path}]}
    checked = read_files(entries, read, lambda name: np.zeros((1, 2, 2)), lambda name: np.zeros((1, 2, 2)), list)
    assert prepared == expected == checked.digests[path]


def test_pictures_that_differ_have_other_digests():
    shapes = (NOISE, NOISE.transpose(1, 0, 2), NOISE[..., ::-1], NOISE[..., :1], NOISE.reshape(30, 20, 3))
    assert len(set(map(digest_of_pixels, shapes))) == len(shapes)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (37, 50)])
def test_a_written_mask_is_a_gray_picture_that_is_read_back_equal(tmp_path, shape):
    mask = np.random.default_rng(1).random(shape[::-1]).T > 0.5
    write_mask(mask, tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as picture:
        picture.verify()
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), np.where(mask, 255, 0))
