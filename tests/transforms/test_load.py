"""Tests of loading images and masks, and of the upright view."""

from pathlib import Path

import itk
import nibabel
import numpy as np
import PIL
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from PIL import Image

from monai_vlsm.data.names import is_raster
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.transforms import (
    EnsureSameSized,
    LoadImageAnyd,
    LoadMaskd,
    ToNetworkImaged,
    ToNetworkMaskd,
    ToPixelImaged,
    ToPixelMaskd,
    UprightView,
    load_image,
)
from monai_vlsm.transforms.display_range import as_unit, to_display_range
from monai_vlsm.transforms.network_input import IMAGENET_MEAN, IMAGENET_STD, denormalized, network_input
from monai_vlsm.transforms.upright import is_medical, upright_slices

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
SIZE = 20
"""Of the network's input: the bar fills its rows up to 5 and its columns up to 10."""

EXIF_ORIENTATION = 0x0112
STORED_FOR_EXIF = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera held in one of eight ways stores an upright picture; PIL turns against the clock."""


def load(path):
    return load_image(path)


def to_unit_range(values):
    return as_unit(to_display_range(values))


def load_mask(path):
    return LoadMaskd("label")({"label": str(path)})["label"]


def enter_network(path, size=SIZE):
    return ToNetworkImaged("image", size)({"image": load(path)})["image"]


def seen(path):
    """Return where the network's input (3, SIZE, SIZE) is bright."""
    return denormalized(enter_network(path)[None])[0].mean(dim=0).numpy() > 0.5


@pytest.fixture
def bar_in_network():
    picture = np.zeros((SIZE, SIZE), dtype=bool)
    picture[:5, :10] = True
    return picture


def save_nifti(path, array, affine=None):
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


def save_raster(path, array, mode=None, **options):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def random_picture(height, width, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


# Upright views


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "PNG"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_raster_picture_enters_the_network_as_displayed(tmp_path, bar, bar_in_network, mode, suffix):
    path = save_raster(tmp_path / f"bar.{suffix}", bar, mode)
    np.testing.assert_array_equal(seen(path), bar_in_network)


@pytest.mark.parametrize("exif", STORED_FOR_EXIF)
def test_a_photograph_is_turned_as_its_exif_data_say(tmp_path, bar, bar_in_network, exif):
    image = Image.fromarray(np.kron(bar, np.ones((16, 16), dtype=np.uint8)))
    image = image if exif == 1 else image.transpose(STORED_FOR_EXIF[exif])
    tags = Image.Exif()
    tags[EXIF_ORIENTATION] = exif
    image.save(tmp_path / "bar.jpg", exif=tags)
    np.testing.assert_array_equal(seen(tmp_path / "bar.jpg"), bar_in_network)


def test_a_mask_is_turned_like_its_photograph(tmp_path, bar):
    tags = Image.Exif()
    tags[EXIF_ORIENTATION] = 6
    Image.fromarray(bar).transpose(STORED_FOR_EXIF[6]).save(tmp_path / "bar.png", exif=tags)
    np.testing.assert_array_equal(load_mask(tmp_path / "bar.png")[0].T, bar > 0)


@pytest.mark.parametrize("axes", [2, 3])
def test_a_slice_enters_the_network_as_radiologists_see_it(tmp_path, bar, bar_in_network, orientation, axes):
    stored = orientation.store(bar)
    path = save_nifti(tmp_path / "bar.nii.gz", stored if axes == 2 else stored[..., None], orientation.affine)
    np.testing.assert_array_equal(seen(path), bar_in_network)


def test_every_slice_of_a_volume_is_seen_as_radiologists_see_it(tmp_path, bar, orientation):
    pictures = [bar, bar // 2, np.zeros_like(bar)]
    volume = np.stack([orientation.store(picture) for picture in pictures], axis=-1)
    image = load(save_nifti(tmp_path / "bar.nii.gz", volume, orientation.affine))
    slices = upright_slices(image, UprightView.of(image))
    np.testing.assert_array_equal((slices * 255).round(), np.stack(pictures)[:, None].repeat(3, axis=1))


def test_a_mask_enters_the_network_where_its_image_does(tmp_path, bar, bar_in_network, orientation):
    label = load_mask(save_nifti(tmp_path / "bar.nii.gz", orientation.store(bar)[..., None], orientation.affine))
    picture = ToNetworkMaskd("label", SIZE)({"label": label})["label"]
    np.testing.assert_array_equal(picture[0], bar_in_network)


def test_the_view_is_undone_exactly(orientation):
    view = UprightView.of_affine(torch.as_tensor(orientation.affine))
    image = torch.arange(2 * 5 * 7).reshape(2, 5, 7)
    assert torch.equal(view.undo(view.apply(image)), image)


@pytest.mark.parametrize("suffix", ["mha", "nrrd", "nii"])
def test_the_view_does_not_depend_on_the_medical_format(tmp_path, bar, bar_in_network, suffix):
    """ITK counts in LPS: with the identity as direction, columns run to the left and rows to the back."""
    itk.imwrite(itk.image_from_array(bar[None]), str(tmp_path / f"bar.{suffix}"))
    np.testing.assert_array_equal(seen(tmp_path / f"bar.{suffix}"), bar_in_network)


def test_a_batch_has_a_view_per_image():
    image = MetaTensor(
        torch.zeros(2, 1, 4, 5), affine=torch.stack([torch.eye(4), torch.diag(torch.tensor([-1.0, -1, 1, 1]))])
    )
    image.meta["space"] = ["RAS", "RAS"]
    views = [UprightView.of(image, index) for index in range(2)]
    assert views == [UprightView(True, True, True), UprightView(True, False, False)]


# The network's input


@pytest.mark.parametrize(("height", "width"), [(37, 91), (352, 352), (500, 421), (1000, 1300)])
@pytest.mark.parametrize("channels", [1, 3])
def test_preprocessing_equals_pil(tmp_path, height, width, channels):
    assert difference_to_pil(save_raster(tmp_path / "image.png", random_picture(height, width, channels))) < 0.01


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the sample data in {SHARED}, which are not in the repository")
@pytest.mark.parametrize("name", ["busi", "kvasir_polyp", "isic", "chexlocalize"])
def test_preprocessing_equals_pil_on_real_images(name):
    first = min((SHARED / name / "images").iterdir())
    assert difference_to_pil(first) < 0.01


def resized_by_pil(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((352, 352), Image.Resampling.BILINEAR))


def difference_to_pil(path):
    expected = (resized_by_pil(path) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    return np.abs(enter_network(path, 352).numpy() - expected.transpose(2, 0, 1)).mean()


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_of_an_image_are_those_of_pil_or_their_neighbors(tmp_path, channels):
    path = save_raster(tmp_path / "image.png", random_picture(500, 421, channels))
    pixels = ToPixelImaged("image", 352)({"image": load(path)})["image"]
    assert pixels.dtype == torch.uint8
    difference = np.abs(pixels.numpy().astype(int) - resized_by_pil(path).transpose(2, 0, 1))
    assert difference.max() <= 1
    assert difference.mean() < 0.3


def test_bytes_of_an_image_are_the_input_of_the_network_rounded(tmp_path):
    path = save_raster(tmp_path / "image.png", random_picture(50, 42, 3))
    pixels = ToPixelImaged("image", SIZE)({"image": load(path)})["image"]
    exact = denormalized(enter_network(path)[None])[0] * 255
    assert (pixels - exact).abs().max() < 0.501


def test_the_mask_is_the_same_in_bytes(tmp_path, bar):
    label = load_mask(save_raster(tmp_path / "bar.png", bar))
    pixels, floats = (each("label", SIZE)({"label": label})["label"] for each in (ToPixelMaskd, ToNetworkMaskd))
    assert pixels.dtype == torch.uint8
    assert pixels.any()
    assert torch.equal(pixels.float(), floats)


def test_the_normalization_is_undone_exactly():
    pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(denormalized(network_input(pictures, 8)), pictures)


def test_a_nifti_file_made_of_a_png_gives_the_same_input(tmp_path, orientation):
    picture = random_picture(23, 31, 1)
    png = save_raster(tmp_path / "image.png", picture)
    nifti = save_nifti(tmp_path / "image.nii.gz", orientation.store(picture), orientation.affine)
    torch.testing.assert_close(enter_network(nifti), enter_network(png))


def test_a_volume_is_refused_for_training_and_named(tmp_path):
    path = save_nifti(tmp_path / "volume.nii.gz", np.zeros((5, 6, 4), np.uint8))
    with pytest.raises(DataError, match=r"volume\.nii\.gz.*4 slices.*one slice"):
        enter_network(path)


def test_masks_stay_binary_when_resized():
    label = torch.from_numpy(random_picture(33, 47, 1) > 128).float()[None]
    resized = ToNetworkMaskd("label", SIZE)({"label": label})["label"]
    assert resized.shape == (1, SIZE, SIZE)
    assert set(resized.unique().tolist()) == {0, 1}


def test_masks_are_sampled_in_the_middle_of_pixels():
    label = torch.zeros(1, 9, 9)
    label[:, 1::3, 1::3] = 1
    assert ToNetworkMaskd("label", 3)({"label": label})["label"].all()


def test_other_entries_are_passed_on():
    data = {"image": torch.zeros(1, 4, 5), "prompt": "polyp"}
    assert ToNetworkImaged("image", SIZE)(data)["prompt"] == "polyp"


# Kinds of images

COLOR = (200, 100, 50)
READS_YCBCR_TIFF = pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13, reason="Pillow below 13 cannot read the YCbCr TIFF files that it writes"
)
GRAY = (124, 124, 124)
"""What the standard weights of red, green and blue make of COLOR."""


@pytest.fixture
def half():
    """An upright picture (16, 24, 3), black but for the left half, which is in COLOR."""
    picture = np.zeros((16, 24, 3), dtype=np.uint8)
    picture[:, :12] = COLOR
    return picture


@pytest.mark.parametrize(
    ("mode", "suffix", "expected"),
    [
        ("L", "png", GRAY),
        ("LA", "png", GRAY),
        ("RGB", "png", COLOR),
        ("RGBA", "png", COLOR),
        ("P", "png", COLOR),
        ("PA", "tif", COLOR),
        ("CMYK", "jpg", COLOR),
        ("CMYK", "tif", COLOR),
        ("YCbCr", "jpg", COLOR),
        pytest.param("YCbCr", "tif", COLOR, marks=READS_YCBCR_TIFF),
        ("RGB", "bmp", COLOR),
        ("RGB", "webp", COLOR),
        ("RGB", "tif", COLOR),
        ("L", "jpeg", GRAY),
    ],
)
def test_every_mode_is_shown_in_its_colors(tmp_path, half, mode, suffix, expected):
    image = Image.fromarray(half).convert("P" if mode == "PA" else mode)
    if mode == "PA":
        image.putalpha(255)
    image.save(tmp_path / f"half.{suffix}")
    loaded = load(tmp_path / f"half.{suffix}")
    assert loaded.shape == (3, 24, 16)
    middle = [tuple(loaded[:, column, 8].mul(255).tolist()) for column in (5, 18)]
    np.testing.assert_allclose(middle, [expected, (0, 0, 0)], atol=12)


def test_a_picture_in_lab_is_shown_in_its_colors(tmp_path):
    """CIELAB (54, 81, 70) is pure red; the file counts lightness to 255 and both others from 0 on."""
    lab = np.full((16, 24, 3), (137, 81, 70), dtype=np.uint8)
    Image.frombytes("LAB", (24, 16), lab.tobytes()).save(tmp_path / "red.tif")
    np.testing.assert_allclose(load(tmp_path / "red.tif")[:, 5, 5], [1, 0, 0], atol=0.05)


def test_a_one_bit_picture_is_black_and_white(tmp_path, bar):
    loaded = load(save_raster(tmp_path / "bar.png", bar, "1"))
    np.testing.assert_array_equal(loaded, np.stack([bar.T / 255] * 3).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "mode", "suffix", "low", "high"),
    [
        (np.uint16, "I;16", "png", 300, 40000),
        (np.uint16, "I;16", "tif", 300, 40000),
        (np.int32, "I", "tif", -5000, 100000),
        (np.float32, "F", "tif", -0.5, 0.25),
    ],
)
def test_a_picture_of_more_than_8_bits_is_stretched_to_its_own_range(tmp_path, bar, dtype, mode, suffix, low, high):
    path = save_raster(tmp_path / f"bar.{suffix}", np.where(bar > 0, high, low).astype(dtype))
    with Image.open(path) as image:
        assert image.mode == mode
    np.testing.assert_array_equal(load(path), np.stack([bar.T / 255] * 3).astype(np.float32))


def test_16_bit_values_within_8_bits_are_not_stretched(tmp_path):
    path = save_raster(tmp_path / "dark.png", np.full((4, 5), 51, dtype=np.uint16))
    np.testing.assert_allclose(load(path), 0.2, atol=1e-6)


@pytest.mark.parametrize("name", ["frames.tif", "frames.webp", "frames.png"])
@pytest.mark.parametrize("loader", [load, load_mask])
def test_a_file_of_several_pictures_is_refused_and_named(tmp_path, loader, name):
    frames = [Image.fromarray(random_picture(8, 9, seed=seed)) for seed in range(3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match=name):
        loader(tmp_path / name)


FOREIGN = ["GIF", "EPS", "PDF", "PPM", "TGA", "ICNS", "PCX", "SGI", "DDS", "JPEG2000", "ICO"]


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["picture.png", "picture.jpg", "picture.tif"])
@pytest.mark.parametrize("loader", [load, load_mask])
def test_no_other_format_is_decoded_under_the_name_of_a_picture(tmp_path, loader, kind, name):
    Image.fromarray(random_picture(32, 32)).save(tmp_path / "made", format=kind)
    (tmp_path / "made").rename(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}.*cannot be read: it is no picture of the formats PNG"):
        loader(tmp_path / name)


def test_ghostscript_is_never_started(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *arguments: pytest.fail("it was started"))
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n")
    with pytest.raises(DataError, match="no picture"):
        load(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif"])
def test_a_picture_under_the_suffix_of_another_picture_is_read(tmp_path, name):
    Image.fromarray(np.full((4, 5), 51, np.uint8)).save(tmp_path / name, format="WEBP", lossless=True)
    np.testing.assert_allclose(load(tmp_path / name), 0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 6), (1, 5, 6, 1)),
        ((5, 6, 1), (1, 5, 6, 1)),
        ((5, 6, 7), (1, 5, 6, 7)),
        ((5, 6, 7, 3), (3, 5, 6, 7)),
        ((5, 6, 1, 1, 3), (3, 5, 6, 1)),
    ],
)
def test_medical_files_get_channels_first_and_three_axes(tmp_path, shape, expected):
    assert load(save_nifti(tmp_path / "image.nii.gz", np.ones(shape, np.float32))).shape == expected


def test_transparency_of_a_medical_file_is_left_out(tmp_path):
    assert load(save_nifti(tmp_path / "image.nii.gz", np.ones((5, 6, 1, 4), np.uint8))).shape == (3, 5, 6, 1)


@pytest.mark.parametrize("shape", [(5,), (5, 6, 7, 2), (5, 6, 7, 2, 3)])
def test_medical_files_of_other_shapes_are_refused_and_named(tmp_path, shape):
    path = save_nifti(tmp_path / "image.nii.gz", np.ones(shape, np.float32))
    with pytest.raises(DataError, match=r"image\.nii\.gz.*shape"):
        load(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.png", True), ("a.JPG", True), ("a.tiff", True), ("a.nii.gz", False), ("a.dcm", False), ("png", False)],
)
def test_raster_files_are_known_by_their_suffix(name, expected):
    assert is_raster(name) is expected


# Intensities


def test_8_bit_values_keep_their_range():
    assert to_unit_range(torch.tensor([51, 102])).tolist() == pytest.approx([0.2, 0.4])


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-1000, 3000, 500),
        np.linspace(0, 1, 500),
        np.linspace(0, 4095, 500).round(),
        np.linspace(-3, -2, 500),
    ],
    ids=["ct", "unit", "12_bit", "negative"],
)
def test_other_values_are_stretched_to_the_whole_range_in_order(tmp_path, values):
    loaded = load(save_nifti(tmp_path / "image.nii.gz", values.reshape(20, 25, 1).astype(np.float32)))
    flat = loaded.flatten()
    assert (flat.min(), flat.max()) == (0, 1)
    assert (flat.diff() >= 0).all()
    assert flat[250].item() == pytest.approx(0.5, abs=0.01)


def test_a_few_outliers_do_not_darken_an_image():
    values = torch.linspace(-1000, 1000, 10_000)
    values[77] = 1e7
    assert to_unit_range(values)[5_000].item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("value", [-1000.0, 0.0, 0.37, 255.0, 70000.0])
def test_a_constant_image_stays_constant_and_finite(value):
    unit = to_unit_range(torch.full((1, 6, 5), value))
    assert torch.isfinite(unit).all()
    assert unit.min() == unit.max()
    assert 0 <= unit[0, 0, 0] <= 1


def test_the_slices_of_a_volume_stay_comparable(tmp_path):
    volume = np.stack([np.full((6, 5), level, np.float32) for level in (-900, 0, 900)], axis=-1)
    loaded = load(save_nifti(tmp_path / "image.nii.gz", volume))
    assert loaded[0, 0, 0].tolist() == pytest.approx([0, 0.5, 1])


def test_a_volume_of_many_voxels_is_stretched_too():
    """torch.quantile refuses more than 16 million values."""
    unit = to_unit_range(torch.linspace(-1, 1, 17_000_000))
    assert unit[8_500_000].item() == pytest.approx(0.5, abs=0.01)


# Masks


@pytest.fixture
def block():
    """A mask (16, 24) of 0 and 1."""
    mask = np.zeros((16, 24), dtype=np.uint8)
    mask[2:9, 4:20] = 1
    return mask


def red(mask):
    return np.stack([mask * 255, mask * 0, mask * 0], axis=-1).astype(np.uint8)


MASKS = {
    "0_and_1": ("png", lambda m: Image.fromarray(m)),
    "0_and_255": ("png", lambda m: Image.fromarray(m * 255)),
    "one_bit": ("png", lambda m: Image.fromarray(m * 255).convert("1")),
    "bmp": ("bmp", lambda m: Image.fromarray(m * 255)),
    "red": ("png", lambda m: Image.fromarray(red(m))),
    "green": ("png", lambda m: Image.fromarray(np.roll(red(m), 1, axis=-1))),
    "blue": ("png", lambda m: Image.fromarray(np.roll(red(m), 2, axis=-1))),
    "white": ("png", lambda m: Image.fromarray(m * 255).convert("RGB")),
    "opaque": ("png", lambda m: Image.fromarray(m * 255).convert("RGBA")),
    "gray_with_alpha": ("png", lambda m: Image.fromarray(m * 255).convert("LA")),
    "noisy_jpeg": ("jpg", lambda m: Image.fromarray(m * 255)),
    "noisy_red_jpeg": ("jpg", lambda m: Image.fromarray(red(m))),
    "16_bit_0_and_1": ("png", lambda m: Image.fromarray(m.astype(np.uint16))),
    "16_bit_0_and_255": ("png", lambda m: Image.fromarray(m.astype(np.uint16) * 255)),
    "16_bit_whole_range": ("png", lambda m: Image.fromarray(m.astype(np.uint16) * 65535)),
    "float": ("tif", lambda m: Image.fromarray(m.astype(np.float32))),
}


@pytest.mark.parametrize(("suffix", "paint"), MASKS.values(), ids=MASKS)
def test_raster_masks_of_every_kind_are_read_as_0_and_1(tmp_path, block, suffix, paint):
    paint(block).save(tmp_path / f"mask.{suffix}")
    np.testing.assert_array_equal(load_mask(tmp_path / f"mask.{suffix}"), block.T[None])


@pytest.mark.parametrize("palette", [[0, 0, 0, 128, 0, 0], [255, 255, 255, 0, 0, 0], [0, 0, 0, 1, 1, 1]])
def test_an_indexed_mask_counts_by_its_index(tmp_path, block, palette):
    image = Image.frombytes("P", (24, 16), block.tobytes())
    image.putpalette(palette)
    image.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(load_mask(tmp_path / "mask.png"), block.T[None])


def test_a_noisy_jpeg_mask_is_noisy_without_the_threshold(tmp_path, block):
    """Otherwise the test of noisy masks above would prove nothing."""
    Image.fromarray(block * 255).save(tmp_path / "mask.jpg")
    with Image.open(tmp_path / "mask.jpg") as image:
        assert len(np.unique(np.asarray(image))) > 2


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_an_empty_mask_is_empty(tmp_path, suffix):
    mask = load_mask(save_raster(tmp_path / f"mask.{suffix}", np.zeros((16, 24), np.uint8)))
    assert mask.shape == (1, 24, 16)
    assert mask.sum() == 0


@pytest.mark.parametrize(
    ("dtype", "value", "full_range"), [(np.uint8, 2, 255), (np.uint8, 100, 255), (np.uint16, 1000, 65535)]
)
def test_a_mask_that_would_count_as_empty_by_its_gray_is_refused(tmp_path, block, dtype, value, full_range):
    path = save_raster(tmp_path / "mask.png", block.astype(dtype) * dtype(value))
    with pytest.raises(DataError, match=rf"mask\.png.*brightest value is {value}, expected.* 0 and {full_range}"):
        load_mask(path)


def test_all_labels_of_a_medical_mask_count(tmp_path):
    labels = np.zeros((5, 6, 7), np.uint8)
    labels[1, 2, 3], labels[4, 5, 6] = 1, 2
    np.testing.assert_array_equal(load_mask(save_nifti(tmp_path / "label.nii.gz", labels))[0], labels > 0)


# Wrong inputs


def cut(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def write_truncated_raster(path):
    cut(save_raster(path, random_picture(40, 50)))


def write_truncated_nifti(path):
    cut(save_nifti(path, random_picture(40, 50).astype(np.float32)))


def write_nifti_with(value):
    def write(path):
        array = np.ones((5, 6, 1), np.float32)
        array[2, 3] = value
        save_nifti(path, array)

    return write


BAD_FILES = {
    "empty.png": Path.touch,
    "empty.jpg": Path.touch,
    "empty.tif": Path.touch,
    "empty.nii": Path.touch,
    "empty.nii.gz": Path.touch,
    "empty.dcm": Path.touch,
    "text.png": lambda path: path.write_text("this is no picture"),
    "text.nii.gz": lambda path: path.write_text("this is no picture"),
    "text.mha": lambda path: path.write_text("this is no picture"),
    "cut.png": write_truncated_raster,
    "cut.jpg": write_truncated_raster,
    "cut.bmp": write_truncated_raster,
    "cut.webp": write_truncated_raster,
    "cut.nii": write_truncated_nifti,
    "cut.nii.gz": write_truncated_nifti,
    "nan.nii.gz": write_nifti_with(np.nan),
    "inf.nii.gz": write_nifti_with(np.inf),
    "folder.png": Path.mkdir,
    "folder": Path.mkdir,
}


@pytest.mark.parametrize("loader", [load, load_mask])
@pytest.mark.parametrize(("name", "write"), BAD_FILES.items(), ids=BAD_FILES)
def test_a_file_that_cannot_be_used_is_named(tmp_path, loader, name, write):
    write(tmp_path / name)
    with pytest.raises(DataError) as error:
        loader(tmp_path / name)
    assert repr(str(tmp_path / name)) in str(error.value)
    assert "\n" not in str(error.value)


def test_not_finite_values_are_called_so(tmp_path):
    write_nifti_with(np.nan)(tmp_path / "nan.nii.gz")
    with pytest.raises(DataError, match="not finite"):
        load(tmp_path / "nan.nii.gz")


@pytest.mark.parametrize("loader", [load, load_mask])
@pytest.mark.parametrize("name", ["none.png", "none.nii.gz", "none"])
def test_a_missing_file_is_named_with_its_whole_path(tmp_path, monkeypatch, loader, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError) as error:
        loader(name)
    assert repr(str(tmp_path / name)) in str(error.value)


def pair(tmp_path, image_shape, mask_shape):
    image = load(save_raster(tmp_path / "image.png", np.zeros(image_shape, np.uint8)))
    label = load_mask(save_raster(tmp_path / "mask.png", np.zeros(mask_shape, np.uint8)))
    return {"image": image, "label": label}


@pytest.mark.parametrize("mask_shape", [(16, 25), (24, 16), (8, 12)])
def test_an_image_and_a_mask_of_other_size_are_refused_with_names_and_sizes(tmp_path, mask_shape):
    height, width = mask_shape
    with pytest.raises(DataError, match=rf"image\.png.*\(24, 16, 1\).*mask\.png.*\({width}, {height}, 1\)"):
        EnsureSameSized(["image", "label"])(pair(tmp_path, (16, 24), mask_shape))


def test_an_image_and_a_mask_of_the_same_size_pass(tmp_path):
    data = pair(tmp_path, (16, 24), (16, 24))
    passed = EnsureSameSized(["image", "label"])(data)
    assert passed.keys() == data.keys()
    assert all(passed[key] is data[key] for key in data)


def test_a_volume_and_a_mask_with_fewer_slices_are_refused():
    data = {"image": torch.zeros(1, 5, 6, 7), "label": torch.zeros(1, 5, 6, 1)}
    with pytest.raises(DataError, match=r"\(5, 6, 7\).*\(5, 6, 1\)"):
        EnsureSameSized(["image", "label"])(data)


def test_a_slice_and_a_raster_mask_of_the_same_size_pass():
    data = {"image": torch.zeros(1, 5, 6, 1), "label": torch.zeros(1, 5, 6)}
    assert EnsureSameSized(["image", "label"])(data).keys() == data.keys()


@pytest.mark.parametrize("affine", [np.diag([-1.0, -1, 1, 1]), np.eye(4), np.diag([2.0, -3, 1, 1])], ids=str)
def test_a_medical_mask_of_a_picture_lies_on_its_pixels(tmp_path, affine):
    mask = np.zeros((16, 24), np.uint8)
    mask[:5, :9] = 1
    Image.fromarray(mask * 255).save(tmp_path / "picture.png")
    nibabel.save(nibabel.Nifti1Image(mask.T[..., None], affine), tmp_path / "mask.nii.gz")
    data = {"image": str(tmp_path / "picture.png"), "label": str(tmp_path / "mask.nii.gz")}
    load = Compose([LoadImageAnyd("image"), LoadMaskd("label"), EnsureSameSized(["image", "label"])])
    seen = ToNetworkMaskd("label", image_size=48)(load(data))["label"]
    expected = torch.from_numpy(mask).float()[None, None].repeat_interleave(3, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(seen.as_subclass(torch.Tensor), expected[0])


def test_the_mask_that_comes_in_keeps_its_metadata(tmp_path):
    image = load(save_raster(tmp_path / "picture.png", np.zeros((16, 24), np.uint8)))
    mask = load_mask(save_nifti(tmp_path / "mask.nii.gz", np.zeros((24, 16, 1), np.uint8)))
    passed = EnsureSameSized(["image", "label"])({"image": image, "label": mask})["label"]
    assert is_medical(mask)
    assert not is_medical(passed)
    assert passed.meta["filename_or_obj"] == mask.meta["filename_or_obj"]


def test_a_picture_of_16_bits_keeps_its_steps(tmp_path):
    ramp = np.arange(1000, 1000 + 64 * 64, dtype=np.uint16).reshape(64, 64)
    loaded = load(save_raster(tmp_path / "ramp.png", ramp))
    assert len(loaded.unique()) > 4000


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_8_bit_pictures_stay_bytes_as_pil_gives_them(tmp_path, mode):
    Image.fromarray(random_picture(300, 31)).convert(mode).save(tmp_path / "a.png")
    loaded = LoadImageAnyd("image")({"image": str(tmp_path / "a.png")})["image"]
    assert loaded.dtype == torch.uint8
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(loaded.numpy(), np.asarray(image.convert("RGB")).T)


@pytest.mark.parametrize("shape", [(0, 5, 6), (5, 0, 6), (5, 6, 0)])
def test_a_medical_file_without_a_voxel_is_refused_and_named(tmp_path, shape):
    path = save_nifti(tmp_path / "none.nii.gz", np.zeros(shape, np.int16))
    with pytest.raises(DataError, match=r"none\.nii\.gz"):
        load(path)


def test_a_picture_of_one_pixel_is_read(tmp_path):
    assert load(save_raster(tmp_path / "one.png", np.full((1, 1), 51, np.uint8))).flatten().tolist() == pytest.approx(
        [0.2, 0.2, 0.2]
    )


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_numbers_are_refused_and_named(tmp_path, dtype):
    path = save_nifti(tmp_path / "complex.nii.gz", np.ones((5, 6, 7), dtype))
    with pytest.raises(DataError, match=r"complex\.nii\.gz.*type complex"):
        load(path)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_every_type_are_stretched_alike(tmp_path, dtype, order):
    values = np.linspace(0, 100, 5 * 6 * 7).round().reshape(5, 6, 7)
    image = nibabel.Nifti1Image(values.astype(np.dtype(dtype).newbyteorder(order)), np.eye(4), dtype=dtype)
    nibabel.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(load(tmp_path / "a.nii")[0].numpy(), values / 255, atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (1, 1)])
def test_an_affine_that_is_not_finite_is_refused_and_named(tmp_path, value, place):
    save_nifti(tmp_path / "a.nii", np.ones((5, 6, 7), np.int16))
    content = bytearray((tmp_path / "a.nii").read_bytes())
    rows = 280 + 4 * (4 * place[0] + place[1])  # srow_x, srow_y and srow_z of the header
    content[rows : rows + 4] = np.array(value, "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.nii' cannot be read"):
        load(tmp_path / "a.nii")


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_the_view_does_not_depend_on_the_size_of_a_voxel(orientation, scale):
    affine = orientation.affine.copy()
    affine[:3, :3] *= scale
    assert UprightView.of_affine(torch.from_numpy(affine)) == UprightView.of_affine(
        torch.from_numpy(orientation.affine)
    )


def test_an_affine_without_directions_is_shown_as_stored():
    assert UprightView.of_affine(torch.zeros(4, 4)) == UprightView()


def test_an_affine_in_lps_is_the_same_view_as_in_ras(orientation):
    images = []
    for space, affine in (("RAS", orientation.affine), ("LPS", np.diag([-1.0, -1, 1, 1]) @ orientation.affine)):
        image = MetaTensor(torch.zeros(1, 4, 5, 6), affine=torch.from_numpy(affine))
        image.meta["space"] = space
        images.append(UprightView.of(image))
    assert images[0] == images[1]
