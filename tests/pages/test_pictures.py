from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.pages.pictures import MOST_PIXELS, Picture, PictureFile, data_uri, picture_row

RED = np.full((4, 6, 3), (200, 0, 0), np.uint8)


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))))


def test_an_array_comes_back_as_the_same_picture():
    assert np.abs(np.asarray(decoded(data_uri(RED))).astype(int) - RED).max() < 6


def test_a_large_picture_is_made_smaller():
    assert decoded(data_uri(np.zeros((100, 4 * MOST_PIXELS), np.uint8))).size == (MOST_PIXELS, 25)


def test_what_a_file_says_besides_its_pixels_stays_out(tmp_path):
    image = Image.fromarray(RED)
    image.save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0", comment=b"patient 17")
    assert b"patient 17" in (tmp_path / "a.jpg").read_bytes()
    uri = data_uri(tmp_path / "a.jpg")
    assert b"patient 17" not in base64.b64decode(uri.split(",")[1])


def test_a_hostile_caption_stays_a_text():
    row = picture_row([Picture(RED, alt='"><script>', caption="<script>")])
    assert "<script" not in row


@pytest.mark.parametrize(
    "pixels", [RED.astype(float), RED[..., :2], RED[None], RED[:0]], ids=["float", "two channels", "batch", "empty"]
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(DataError, match="a picture must"):
        data_uri(pixels)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"there is no picture .*gone\.png"):
        data_uri(tmp_path / "gone.png")


@pytest.mark.parametrize("content", [b"", b"<svg onload='alert(1)'/>", b"\x89PNG\r\n\x1a\nbroken"])
def test_a_file_that_is_no_picture_is_refused(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png' cannot be shown"):
        data_uri(tmp_path / "a.png")


def test_a_picture_beside_the_page_is_an_address_below_it_that_is_loaded_late():
    row = picture_row([PictureFile('a/"#?%<\udcff.jpg', "alt")])
    assert 'src="a/%22%23%3F%25%3C%FF.jpg"' in row
    assert 'loading="lazy"' in row
