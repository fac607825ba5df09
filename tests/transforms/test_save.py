"""Tests of writing masks, and of the whole way from an image file to its mask file."""

import errno
import os

import itk
import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate
from PIL import Image
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.inferers import PromptInferer
from monai_vlsm.transforms import LoadImageAnyd, SaveImageMaskd, SqueezePictured, ToDisplayRanged
from monai_vlsm.transforms.network_input import denormalized

EXIF_ORIENTATION = 0x0112


class MaskTopLeft(nn.Module):
    """Masks a bar at the top left of whatever it sees: a quarter of the height, half of the width."""

    image_size = 48

    def forward(self, image, input_ids=None, attention_mask=None):
        logits = torch.full_like(image[:, :1], -9)
        logits[:, :, : image.shape[2] // 4, : image.shape[3] // 2] = 9
        return logits


class MaskBright(nn.Module):
    """Masks what is brighter than middle gray."""

    image_size = 48

    def forward(self, image, input_ids=None, attention_mask=None):
        return denormalized(image).mean(dim=1, keepdim=True) - 0.5


def segment(path, output_dir, network, save=None):
    """Do what inference.json does with one image."""
    batch = list_data_collate([ToDisplayRanged("image")(LoadImageAnyd("image")({"image": str(path)}))])
    logits = PromptInferer()(batch["image"], network)
    mask = (decollate_batch(logits)[0] > 0).to(torch.uint8)
    (save or SaveImageMaskd("pred", output_dir))({"pred": mask})


def mask_of(source, array=None, **meta):
    array = torch.ones(1, 6, 5) if array is None else array
    return {"pred": MetaTensor(array, meta={"filename_or_obj": str(source), **meta})}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "masks"


# From image to mask


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_the_mask_of_a_png_is_where_the_network_saw_it(tmp_path, out, bar, mode):
    Image.fromarray(np.zeros_like(bar)).convert(mode).save(tmp_path / "a.png")
    segment(tmp_path / "a.png", out, MaskTopLeft())
    np.testing.assert_array_equal(np.asarray(Image.open(out / "a_mask.png")), bar)


def test_the_mask_of_a_photograph_is_upright(tmp_path, out, bar):
    tags = Image.Exif()
    tags[EXIF_ORIENTATION] = 6
    Image.fromarray(np.zeros_like(bar)).transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.jpg", exif=tags)
    segment(tmp_path / "a.jpg", out, MaskTopLeft())
    np.testing.assert_array_equal(np.asarray(Image.open(out / "a_mask.png")), bar)


def test_a_mask_of_a_raster_image_is_8_bit_gray(tmp_path, out, bar):
    Image.fromarray(bar).save(tmp_path / "a.tif")
    segment(tmp_path / "a.tif", out, MaskTopLeft())
    with Image.open(out / "a_mask.png") as mask:
        assert (mask.mode, mask.format) == ("L", "PNG")


@pytest.mark.parametrize("axes", [2, 3])
def test_the_mask_of_a_slice_is_where_the_network_saw_it(tmp_path, out, bar, orientation, axes):
    stored = orientation.store(bar)
    blank = np.zeros_like(stored if axes == 2 else stored[..., None])
    nibabel.save(nibabel.Nifti1Image(blank, orientation.affine), tmp_path / "a.nii.gz")
    segment(tmp_path / "a.nii.gz", out, MaskTopLeft())
    mask = nibabel.load(out / "a_mask.nii.gz")
    assert mask.shape == blank.shape
    np.testing.assert_array_equal(mask.get_fdata().reshape(stored.shape), stored / 255)


def test_the_mask_of_a_volume_is_where_its_image_is_bright(tmp_path, out, bar, orientation):
    pictures = [bar, np.zeros_like(bar), bar[::-1]]
    volume = np.stack([orientation.store(picture) for picture in pictures], axis=-1)
    nibabel.save(nibabel.Nifti1Image(volume, orientation.affine), tmp_path / "a.nii.gz")
    segment(tmp_path / "a.nii.gz", out, MaskBright())
    np.testing.assert_array_equal(nibabel.load(out / "a_mask.nii.gz").get_fdata(), volume / 255)


def test_a_nifti_mask_has_the_affine_of_its_image(tmp_path, out, bar, orientation):
    nibabel.save(nibabel.Nifti1Image(orientation.store(bar)[..., None], orientation.affine), tmp_path / "a.nii")
    segment(tmp_path / "a.nii", out, MaskBright())
    np.testing.assert_allclose(nibabel.load(out / "a_mask.nii.gz").affine, orientation.affine, atol=1e-5)


def test_a_nifti_mask_is_made_of_bytes_0_and_1(tmp_path, out, bar):
    nibabel.save(nibabel.Nifti1Image(bar[..., None].astype(np.float32), np.eye(4)), tmp_path / "a.nii")
    segment(tmp_path / "a.nii", out, MaskBright())
    mask = nibabel.load(out / "a_mask.nii.gz")
    assert mask.get_data_dtype() == np.uint8
    assert np.unique(mask.dataobj).tolist() == [0, 1]


@pytest.mark.parametrize("suffix", ["mha", "nrrd"])
def test_the_mask_of_another_medical_format_covers_the_same_place_in_the_patient(tmp_path, out, bar, suffix):
    image = itk.image_from_array(np.stack([np.zeros_like(bar), bar]))
    image.SetOrigin([5, -6, 7])
    image.SetSpacing([2, 3, 4])
    itk.imwrite(image, str(tmp_path / f"a.{suffix}"))
    segment(tmp_path / f"a.{suffix}", out, MaskBright())
    mask = itk.imread(str(out / "a_mask.nii.gz"))
    np.testing.assert_array_equal(itk.array_from_image(mask), np.stack([np.zeros_like(bar), bar]) // 255)
    places = [tuple(item.TransformIndexToPhysicalPoint([3, 2, 1])) for item in (image, mask)]
    np.testing.assert_allclose(places[0], places[1], atol=1e-4)


def test_an_image_of_one_pixel_gets_a_mask_of_one_pixel(tmp_path, out):
    Image.fromarray(np.full((1, 1), 255, np.uint8)).save(tmp_path / "a.png")
    segment(tmp_path / "a.png", out, MaskBright())
    assert np.asarray(Image.open(out / "a_mask.png")).tolist() == [[255]]


# Names and files


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("scans/a.png", "a_mask.png"),
        ("scans/a.b.JPG", "a.b_mask.png"),
        ("scans/a.nii.gz", "a_mask.nii.gz"),
        ("scans/a.nii", "a_mask.nii.gz"),
        ("scans/a.nrrd", "a_mask.nii.gz"),
        ("scans/series", "series_mask.nii.gz"),
    ],
)
def test_a_mask_is_called_as_its_image(out, source, name):
    array = torch.ones(1, 6, 5) if name.endswith(".png") else torch.ones(1, 6, 5, 1)
    SaveImageMaskd("pred", out)(mask_of(source, array))
    assert os.listdir(out) == [name]


def test_the_postfix_can_be_chosen(out):
    SaveImageMaskd("pred", out, postfix="lesion")(mask_of("a.png"))
    assert os.listdir(out) == ["a_lesion.png"]


@pytest.mark.parametrize("second", ["other/a.png", "scans/a.jpg"])
def test_images_of_the_same_name_get_masks_of_their_own(out, second):
    save = SaveImageMaskd("pred", out)
    save(mask_of("scans/a.png", torch.zeros(1, 6, 5)))
    save(mask_of(second))
    levels = {name: Image.open(out / name).getextrema() for name in os.listdir(out)}
    whole = second.replace("/", "_").replace(".", "_")
    assert levels == {"a_mask.png": (0, 0), f"{whole}_mask.png": (255, 255)}


def test_many_images_of_the_same_name_get_masks_of_their_own(out):
    save = SaveImageMaskd("pred", out)
    for source in ("/one/scans/a.png", "/two/scans/a.png", "/three/scans/a.png", "/three_scans/a.png", "a.png"):
        save(mask_of(source))
    assert len(os.listdir(out)) == 5


def test_a_second_run_replaces_the_masks_of_the_first(out):
    SaveImageMaskd("pred", out)(mask_of("scans/a.png", torch.zeros(1, 6, 5)))
    SaveImageMaskd("pred", out)(mask_of("scans/a.png"))
    assert os.listdir(out) == ["a_mask.png"]
    assert Image.open(out / "a_mask.png").getextrema() == (255, 255)


def test_a_failed_write_keeps_the_older_mask(out, monkeypatch):
    save = SaveImageMaskd("pred", out)
    save(mask_of("a.png"))
    before = (out / "a_mask.png").read_bytes()

    def fail(image, path, **options):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(DataError, match=r"cannot write '.*a_mask\.png': the disk is full"):
        save(mask_of("a.png", torch.zeros(1, 6, 5)))
    assert os.listdir(out) == ["a_mask.png"]
    assert (out / "a_mask.png").read_bytes() == before


def test_the_data_are_passed_on_unchanged(out):
    data = {**mask_of("a.png"), "prompt": "polyp"}
    before = data["pred"].clone()
    result = SaveImageMaskd("pred", out)(data)
    assert result.keys() == {"pred", "prompt"}
    assert torch.equal(result["pred"], before)


def test_nothing_is_written_before_the_first_mask(out):
    SaveImageMaskd("pred", out)
    assert not out.exists()


@pytest.mark.parametrize(("shape", "expected"), [((1, 6, 5), (6, 5)), ((1, 6, 5, 3), (1, 6, 5, 3))])
def test_the_channel_is_taken_off_masks_of_pictures_only(shape, expected):
    assert SqueezePictured("pred")({"pred": torch.zeros(shape)})["pred"].shape == expected


@pytest.mark.parametrize("source", ["a.png", "a.nii.gz"])
def test_a_full_disk_is_named_and_leaves_nothing_behind(out, monkeypatch, source):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    monkeypatch.setattr(nibabel, "save", full)
    with pytest.raises(DataError, match=r"a_mask.*the disk is full"):
        SaveImageMaskd("pred", out)(mask_of(source, torch.zeros(1, 6, 5, *[1] * source.endswith(".gz"))))
    assert not os.listdir(out)
