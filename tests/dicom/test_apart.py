"""The process that decodes damaged pixels answers the question that was asked."""

from __future__ import annotations

import pickle
import time
from contextlib import suppress
from random import Random

import pytest

from monai_vlsm.dicom import apart
from monai_vlsm.dicom.read import read_dicom
from monai_vlsm.errors import DataError


def damaged(content: bytes, seed: int) -> bytes:
    """Change one to eight bytes of compressed pixels."""
    random, changed = Random(seed), bytearray(content)
    begin = content.rfind(b"\xff\xd8\xff") + 2
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(begin, len(content))] = random.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("seed", [105, 133, *range(10)])
def test_damaged_lossless_pixels_are_refused_or_have_the_size_of_the_header(corpus, tmp_path, seed):
    """With the first two GDCM ends its process, as with five of the first 600 seeds."""
    (tmp_path / "a.dcm").write_bytes(damaged(corpus["ct_jpeg_lossless"].read_bytes(), seed))
    with suppress(DataError):
        assert read_dicom(tmp_path / "a.dcm")[0].shape == (48, 36, 1)


class NeverEnds:
    def __reduce__(self):
        return time.sleep, (600,)


def test_pixels_that_are_decoded_for_ever_are_taken_for_damaged(monkeypatch):
    monkeypatch.setattr(apart, "_LONGEST", 0.5)
    helper = apart._Helper()
    assert helper.ask(pickle.dumps(NeverEnds())) == b""
    assert helper._process.poll() is not None


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_one(monkeypatch):
    def stop(pipe):
        raise KeyboardInterrupt

    helper = apart._Helper()
    monkeypatch.setattr(apart, "_receive", stop)
    with pytest.raises(KeyboardInterrupt):
        helper.ask(b"no pixels")
    assert helper._process is not None
    assert helper._process.poll() is not None
