"""Images from memory, as deployment frameworks hand them over, and the values that are shown."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose
from PIL import Image

from monai_vlsm.errors import DataError
from monai_vlsm.inferers import PromptInferer
from monai_vlsm.transforms import AttachPromptd, LoadImageAnyd, ToDisplayRanged, UprightView
from monai_vlsm.transforms.display_range import as_unit, to_display_range

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)
"""An upright picture (H, W, 3)."""
VOLUME = RNG.integers(-1000, 2000, (9, 8, 5)).astype(np.int16)
AFFINE = np.diag([-1.0, -2, 3, 1])
TEMPLATE = Path(__file__).resolve().parents[2] / "monai_vlsm" / "bundle" / "template" / "configs" / "inference.json"


def shown(image):
    return ToDisplayRanged("image")({"image": image})["image"]


def from_file(path):
    return shown(LoadImageAnyd("image")({"image": str(path)})["image"])


@pytest.fixture
def picture(tmp_path):
    Image.fromarray(COLORS).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def volume(tmp_path):
    nibabel.save(nibabel.Nifti1Image(VOLUME, AFFINE), tmp_path / "a.nii.gz")
    return tmp_path / "a.nii.gz"


def deployed(array, **meta):
    """What MONAI Deploy's operator makes of an image before it runs the transforms of a bundle."""
    return MetaTensor.ensure_torch_and_prune_meta(array, meta)


def dicom_series():
    """Metadata of MONAI Deploy's DICOMSeriesToVolumeOperator; axes (W, H, D)."""
    affines = {"affine": AFFINE, "original_affine": AFFINE, "nifti_affine_transform": AFFINE}
    return deployed(VOLUME, **affines, space="LPS", original_channel_dim="no_channel", spatial_shape=VOLUME.shape)


@pytest.mark.parametrize(
    "kind", [np.uint8, np.float32, np.int32, np.float64, torch.uint8, torch.float32, torch.int64, "meta"], ids=str
)
def test_a_picture_from_memory_is_shown_as_one_from_its_file(picture, kind):
    stored = COLORS.T.copy()  # (3, W, H)
    image = MetaTensor(torch.from_numpy(stored)) if kind == "meta" else stored
    if isinstance(kind, torch.dtype):
        image = torch.from_numpy(stored).to(kind)
    elif kind != "meta":
        image = stored.astype(kind)
    found = shown(image)
    assert found.dtype == torch.uint8
    assert torch.equal(found.as_tensor(), from_file(picture).as_tensor())


def test_a_volume_of_monai_deploy_is_shown_as_one_from_its_file(volume):
    found, expected = shown(dicom_series()), from_file(volume)
    assert found.shape == (1, 9, 8, 5)
    assert torch.equal(found.as_tensor(), expected.as_tensor())
    assert UprightView.of(found) == UprightView.of(expected)


def test_the_affine_of_a_single_slice_of_monai_deploy_is_used_as_far_as_it_goes():
    """It divides by the number of slices less one."""
    affine = AFFINE.copy()
    affine[:3, 2] = np.nan
    affines = {"affine": affine, "original_affine": affine, "nifti_affine_transform": affine}
    image = deployed(VOLUME[..., :1], **affines, space="LPS", original_channel_dim="no_channel")
    assert UprightView.of(shown(image)) == UprightView.of_affine(torch.from_numpy(AFFINE))


def test_a_picture_of_monai_deploys_image_loader_is_shown_upright(picture):
    array = COLORS.transpose(2, 0, 1).astype(np.float32)
    image = shown(deployed(array, filename="a.png", original_shape=array.shape, source_format=".png"))
    assert torch.equal(image[..., 0].as_tensor(), from_file(picture).as_tensor())
    assert torch.equal(shown(image).as_tensor(), image.as_tensor())


def test_colors_without_a_word_about_their_channel_are_found():
    image = deployed(RNG.integers(0, 256, (9, 8, 5, 3), dtype=np.uint8), original_channel_dim="no_channel")
    assert shown(image).shape == (3, 9, 8, 5)


def test_an_array_with_colors_last_and_no_word_about_them_gets_a_slice_that_monai_deploy_can_take_off(picture):
    image = shown(deployed(COLORS.transpose(1, 0, 2).copy(), original_channel_dim="no_channel"))
    assert torch.equal(image[..., 0].as_tensor(), from_file(picture).as_tensor())


def test_a_volume_of_three_slices_has_no_colors():
    image = deployed(VOLUME[..., :3], space="RAS", affine=AFFINE, original_channel_dim="no_channel")
    assert shown(image).shape == (1, 9, 8, 3)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (9, 8, 3)), (0, (3, 9, 8)), (float("nan"), (9, 8))])
def test_the_channel_is_where_the_metadata_say(axis, shape):
    image = shown(deployed(np.ones(shape, np.uint8), original_channel_dim=axis))
    assert image.shape == ((1, 9, 8) if len(shape) == 2 else (3, 9, 8))
    assert shown(image).shape == image.shape


@pytest.mark.parametrize("shape", [(9, 8), (2, 9, 8), (5, 9, 8, 7), (1, 9, 8, 7, 2), (3, 0, 8), (3,)])
def test_an_array_that_is_no_image_is_refused(shape):
    with pytest.raises(DataError, match="shape"):
        shown(np.ones(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    array = np.ones((1, 9, 8), np.float32)
    array[0, 3, 4] = value
    with pytest.raises(DataError, match="not finite"):
        shown(array)


def test_complex_numbers_are_refused():
    with pytest.raises(DataError, match="complex"):
        shown(np.ones((1, 9, 8), np.complex64))


def test_what_comes_in_is_not_changed():
    image = dicom_series()
    before, meta = image.as_tensor().clone(), dict(image.meta)
    shown(image)
    assert torch.equal(image.as_tensor(), before)
    assert image.meta.keys() == meta.keys()
    assert image.meta["space"] == "LPS"


# The whole way of a bundle


class Bright(torch.nn.Module):
    """Masks what is brighter than the mean color of ImageNet in red."""

    image_size = 16

    def forward(self, image, input_ids=None, attention_mask=None):
        return image[:, :1]


@pytest.fixture
def bundle(tmp_path):
    """The transforms of the template, and what MONAI Deploy leaves of them."""
    config = json.loads(TEMPLATE.read_text(encoding="utf-8").replace("@prompt", "cyst"))
    kept = {key: config[key] for key in ("preprocessing", "postprocessing")}
    needed = {key: config[key] for key in ("imports", "threshold", "min_presence", "look_below")}
    own = {"calibration": "$monai_vlsm.calibration.IDENTITY", "output_dir": str(tmp_path / "out")}
    parser = ConfigParser({**needed, **kept, **own})
    whole = [parser.get_parsed_content(key) for key in kept]
    names = ("LoadImage", "SaveImage")
    left = [
        Compose([step for step in steps.transforms if not any(name in type(step).__name__ for name in names)])
        for steps in whole
    ]
    assert [len(steps.transforms) - len(part.transforms) for steps, part in zip(whole, left, strict=True)] == [1, 1]
    return whole, left


def segment(steps, image):
    before, after = steps
    item = before({"image": image})
    logits = PromptInferer()(item["image"][None], Bright_with_tokenizer())
    return after({"pred": logits[0], **item})["pred"].as_tensor()


def Bright_with_tokenizer():
    from monai_vlsm.networks import load_tokenizer

    network = Bright()
    network.tokenizer = load_tokenizer("tiny")
    return network


def test_without_loader_and_saver_a_volume_in_memory_gets_the_mask_of_its_file(bundle, volume):
    whole, left = bundle
    expected, found = segment(whole, str(volume)), segment(left, dicom_series())
    assert 0 < expected.sum() < expected.numel()
    assert found.shape == (1, 9, 8, 5), "MONAI Deploy takes the channel off itself"
    assert torch.equal(found, expected)


def test_without_loader_and_saver_a_picture_in_memory_gets_the_mask_of_its_file(bundle, picture):
    whole, left = bundle
    expected, found = segment(whole, str(picture)), segment(left, torch.from_numpy(COLORS.T.copy()))
    assert 0 < expected.sum() < expected.numel()
    assert torch.equal(found, expected)


def test_the_first_transforms_left_tell_monai_deploy_that_items_are_dictionaries(bundle):
    from monai.transforms import MapTransform

    assert all(isinstance(steps.transforms[0], MapTransform) for steps in bundle[1])


def test_the_prompt_is_attached_to_an_image_from_memory():
    item = Compose([ToDisplayRanged("image"), AttachPromptd("image", default="cyst")])({"image": COLORS.T.copy()})
    assert item["image"].meta["prompt"] == "cyst"


# Values


@pytest.mark.parametrize("shape", [(1, 40, 30), (3, 40, 30), (1, 40, 30, 9)])
@pytest.mark.parametrize("dtype", [torch.int16, torch.int32, torch.float32, torch.float64])
def test_a_stretched_image_is_that_of_the_definition(monkeypatch, shape, dtype):
    monkeypatch.setattr("monai_vlsm.transforms.display_range._VALUES_AT_A_TIME", 100)
    values = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 900).to(dtype)
    flat = values.float().flatten()
    low, high = torch.quantile(flat, torch.tensor([0.005, 0.995]))
    assert torch.equal(to_display_range(values), ((values.float() - low) / (high - low)).clamp(0, 1))


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.float32, torch.float64])
def test_whole_numbers_of_8_bits_become_bytes(dtype):
    values = torch.arange(100).view(1, 10, 10)
    found = to_display_range(values.to(dtype))
    assert found.dtype == torch.uint8
    assert torch.equal(as_unit(found), values.float() / 255)
