"""Files with single bytes changed: they are read, or refused by a DataError, and take neither time nor memory."""

from __future__ import annotations

import random
import resource

import itk
import nibabel
import numpy as np
import pytest
from PIL import Image

from monai_vlsm.errors import DataError
from monai_vlsm.transforms import load_image

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
VOLUME = np.random.default_rng(0).integers(-500, 500, (6, 5, 4)).astype(np.int16)


def write(path):
    if path.suffix in (".nii", ".gz"):
        nibabel.save(nibabel.Nifti1Image(VOLUME, np.diag([1, 2, 3, 1])), path)
    elif path.suffix in (".mha", ".nrrd"):
        itk.imwrite(itk.image_from_array(VOLUME), str(path))
    elif path.suffix == ".dcm":
        itk.imwrite(itk.image_from_array(PICTURE[None, ..., 0].copy()), str(path))
    else:
        Image.fromarray(PICTURE).save(path)
    return path.read_bytes()


def damaged(content, chance):
    """Change up to eight bytes, most of them in the header; cut every fifth file."""
    damage = bytearray(content[: chance.randrange(1, len(content))] if chance.random() < 0.2 else content)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        damage[chance.randrange(min(len(damage), chance.choice((200, 600, len(damage)))))] = chance.randrange(256)
    return bytes(damage)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp", "nii", "nii.gz", "mha", "nrrd", "dcm"])
def test_a_damaged_file_is_read_or_named(tmp_path, suffix):
    path, chance = tmp_path / f"a.{suffix}", random.Random(0)
    content = write(path)
    before, refused = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 0
    for _ in range(60):
        path.write_bytes(damaged(content, chance))
        try:
            load_image(path)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert refused > 5, "hardly anything was damaged: the test would show nothing"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "1 GB for a file of some hundred bytes"


def test_a_dicom_element_that_is_longer_than_its_file_is_refused(tmp_path):
    content = bytearray(write(tmp_path / "a.dcm"))
    length = content.rindex(b"\xe0\x7f\x10\x00") + 4  # of the pixels, without a kind
    content[length : length + 4] = (2**32 - 16).to_bytes(4, "little")
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(DataError, match="promises 4,294,967,280 bytes"):
        load_image(tmp_path / "a.dcm")
