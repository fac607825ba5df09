"""Tests of inference at the size of the image."""

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch, list_data_collate
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from monai.transforms import Compose
from PIL import Image
from torch import nn

from monai_vlsm.inferers import PromptInferer
from monai_vlsm.networks import load_tokenizer
from monai_vlsm.networks.text import tokenize
from monai_vlsm.transforms import (
    AttachPromptd,
    LoadImageAnyd,
    ToDisplayRanged,
    TokenizePromptd,
    ToNetworkImaged,
    UprightView,
)
from monai_vlsm.transforms.display_range import as_unit
from monai_vlsm.transforms.network_input import network_input
from monai_vlsm.transforms.upright import upright_slices

FLIPPED = np.diag([-1.0, -1, 1, 1])
"""Affine of an image in LPS: stored as (W, H) and nothing else, like a raster picture."""


class Stub(nn.Module):
    """Logits are the red channel plus a tenth of the first word's id; keeps what it was called with."""

    image_size = 32

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.tokenizer = load_tokenizer("tiny")
        self.calls = []

    def forward(self, image, input_ids=None, attention_mask=None):
        self.calls.append((image, input_ids, attention_mask))
        offset = 0 if input_ids is None else input_ids[:, 1].view(-1, 1, 1, 1) / 10
        return self.gain * image[:, :1] + offset


@pytest.fixture
def network():
    return Stub()


def images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def tokens(*prompts):
    return tokenize(load_tokenizer("tiny"), prompts)


def offset_of(prompt):
    return int(tokens(prompt)["input_ids"][0, 1]) / 10


# Sizes


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1, 50, 40),
        (1, 3, 50, 40),
        (3, 3, 7, 91),
        (2, 1, 32, 32),
        (1, 1, 1, 1),
        (1, 1, 50, 40, 1),
        (1, 1, 50, 40, 19),
        (2, 3, 20, 31, 5),
    ],
)
def test_logits_have_the_size_of_the_image(network, shape):
    logits = PromptInferer()(images(*shape), network)
    assert logits.shape == (shape[0], 1, *shape[2:])
    assert logits.dtype == torch.float32


@pytest.mark.parametrize("batch_size", [1, 3, 4, 7, 100])
def test_slices_give_the_same_in_batches_of_any_size(network, batch_size):
    volume = images(1, 1, 20, 30, 7)
    one_by_one = torch.stack([PromptInferer()(volume[..., index], network) for index in range(7)], dim=-1)
    torch.testing.assert_close(PromptInferer(batch_size=batch_size)(volume, network), one_by_one)


def test_the_network_never_gets_more_slices_than_the_batch_size(network):
    PromptInferer(batch_size=3)(images(1, 1, 20, 30, 7), network)
    assert [len(image) for image, *_ in network.calls] == [3, 3, 1]


def test_images_of_a_batch_do_not_influence_each_other(network):
    batch = images(3, 3, 20, 30)
    alone = torch.cat([PromptInferer()(batch[index : index + 1], network) for index in range(3)])
    torch.testing.assert_close(PromptInferer()(batch, network), alone)


def test_gray_images_are_shown_as_rgb(network):
    gray = images(1, 1, 20, 30)
    torch.testing.assert_close(PromptInferer()(gray, network), PromptInferer()(gray.expand(-1, 3, -1, -1), network))


def test_a_slice_and_a_volume_of_one_slice_give_the_same(network):
    image = images(1, 1, 20, 30)
    flat, volume = PromptInferer()(image, network), PromptInferer()(image[..., None], network)
    torch.testing.assert_close(flat, volume[..., 0])


def test_an_image_of_the_networks_size_comes_back_pixel_for_pixel(network):
    image = images(1, 3, 32, 32)
    expected = (image[:, :1] - 0.485) / 0.229
    torch.testing.assert_close(PromptInferer()(image, network), expected)


@pytest.mark.parametrize("affine", [np.eye(4), FLIPPED, np.diag([-1.0, 1, 1, 1])], ids=["ras", "lps", "las"])
def test_axes_of_medical_images_come_back_as_they_were(network, affine):
    plain = images(1, 3, 32, 32)
    image = MetaTensor(plain, affine=torch.from_numpy(affine)[None])
    image.meta["space"] = ["RAS"]
    torch.testing.assert_close(PromptInferer()(image, network).as_tensor(), (plain[:, :1] - 0.485) / 0.229)


def test_images_of_a_batch_have_their_own_orientation(network):
    plain = images(1, 3, 32, 32).expand(2, -1, -1, -1)
    image = MetaTensor(plain, affine=torch.from_numpy(np.stack([np.eye(4), FLIPPED])))
    image.meta["space"] = ["RAS", "RAS"]
    PromptInferer()(image, network)
    first, second = (seen for seen, *_ in network.calls)
    torch.testing.assert_close(first.flip(-1, -2), second)


@pytest.mark.parametrize("kind", ["L", "RGB"])
def test_the_network_sees_what_it_sees_in_training(tmp_path, network, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (41, 57, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(kind).save(tmp_path / "a.png")
    image = ToDisplayRanged("image")(LoadImageAnyd("image")({"image": str(tmp_path / "a.png")}))["image"]
    PromptInferer()(image[None], network)
    assert torch.equal(network.calls[0][0][0], ToNetworkImaged("image", 32)({"image": image})["image"])


def test_the_size_that_the_network_sees_can_be_chosen(network):
    PromptInferer(image_size=48)(images(1, 1, 20, 30), network)
    assert network.calls[0][0].shape == (1, 3, 48, 48)


def test_the_network_sees_the_size_of_its_backbone_otherwise(network):
    PromptInferer()(images(1, 1, 20, 30), network)
    assert network.calls[0][0].shape == (1, 3, 32, 32)


def test_the_size_is_found_in_a_wrapped_network(network):
    logits = PromptInferer("polyp")(images(1, 1, 20, 30), nn.DataParallel(network))
    assert logits.shape == (1, 1, 20, 30)


def test_logits_are_resized_not_masks():
    """A mask resized with any interpolation and cut again has nothing between its two values."""

    class Edge(Stub):
        def forward(self, image, input_ids=None, attention_mask=None):
            return torch.where(torch.arange(32) < 16, 8.0, -8.0).expand(len(image), 1, 32, 32)

    logits = PromptInferer()(images(1, 1, 320, 10), Edge())
    column = logits[0, 0, :, 5]
    between = column[column.abs() < 7.9]
    assert len(between) == 10
    assert (between.diff() < 0).all()


def test_no_gradient_is_kept(network):
    assert not PromptInferer()(images(1, 1, 20, 30), network).requires_grad


# Prompts


def test_every_image_of_a_batch_has_its_own_prompt(network):
    batch = images(1, 1, 20, 30).expand(2, -1, -1, -1)
    logits = PromptInferer()(batch, network, **tokens("polyp", "one red lesion"))
    expected = offset_of("one red lesion") - offset_of("polyp")
    assert abs(expected) > 0.1
    torch.testing.assert_close(logits[1] - logits[0], torch.full((1, 20, 30), expected))


def test_all_slices_of_a_volume_get_the_prompt_of_their_volume(network):
    batch = torch.zeros(2, 1, 20, 30, 5)
    logits = PromptInferer(batch_size=2)(batch, network, **tokens("polyp", "one red lesion"))
    dark = -0.485 / 0.229
    expected = torch.tensor([offset_of("polyp") + dark, offset_of("one red lesion") + dark])
    torch.testing.assert_close(logits, expected.view(2, 1, 1, 1, 1).expand(2, 1, 20, 30, 5))


def test_one_prompt_is_used_for_the_whole_batch(network):
    batch = images(1, 1, 20, 30).expand(3, -1, -1, -1)
    logits = PromptInferer()(batch, network, **tokens("polyp"))
    without = PromptInferer()(batch, network)
    torch.testing.assert_close(logits - without, torch.full((3, 1, 20, 30), offset_of("polyp")))


def test_the_prompt_of_the_inferer_wins_over_the_tokens_of_the_call(network):
    batch = images(2, 1, 20, 30)
    logits = PromptInferer("polyp")(batch, network, **tokens("one red lesion", "one red lesion"))
    torch.testing.assert_close(logits, PromptInferer()(batch, network, **tokens("polyp")))


def test_an_empty_prompt_is_a_prompt(network):
    PromptInferer("")(images(1, 1, 20, 30), network)
    assert torch.equal(network.calls[0][1], tokens("")["input_ids"])


def test_without_any_prompt_the_network_takes_its_default(network):
    PromptInferer()(images(1, 1, 20, 30), network)
    assert network.calls[0][1:] == (None, None)


def test_the_network_gets_the_attention_mask_of_the_prompt(network):
    given = tokens("polyp", "one red lesion")
    PromptInferer()(images(2, 1, 20, 30), network, **given)
    masks = torch.cat([mask for *_, mask in network.calls])
    assert torch.equal(masks, given["attention_mask"])


def test_the_prompt_of_one_call_does_not_stick(network):
    inferer, image = PromptInferer(), images(1, 1, 20, 30)
    before = inferer(image, network)
    inferer(image, network, **tokens("polyp"))
    assert torch.equal(inferer(image, network), before)


def test_another_prompt_set_between_calls_is_used(network):
    inferer, image = PromptInferer("polyp"), images(1, 1, 20, 30)
    inferer(image, network)
    inferer.prompt = "one red lesion"
    torch.testing.assert_close(inferer(image, network), PromptInferer("one red lesion")(image, network))


# Metadata, devices, engines


def test_a_plain_tensor_gives_a_plain_tensor(network):
    assert type(PromptInferer()(images(1, 1, 20, 30), network)) is torch.Tensor


def test_metadata_of_the_images_are_kept(network):
    items = [MetaTensor(images(1, 20, 30), meta={"filename_or_obj": name}) for name in ("a.png", "b.png")]
    items[1].affine = torch.from_numpy(FLIPPED)
    logits = decollate_batch(PromptInferer()(list_data_collate(items), network))
    assert [item.meta["filename_or_obj"] for item in logits] == ["a.png", "b.png"]
    np.testing.assert_array_equal([item.affine.numpy() for item in logits], [np.eye(4), FLIPPED])


def test_metadata_of_the_images_are_not_changed(network):
    image = list_data_collate([MetaTensor(images(1, 20, 30), meta={"filename_or_obj": "a.png"})])
    before = image.clone()
    PromptInferer("polyp")(image, network)
    assert torch.equal(image, before)
    assert image.meta["filename_or_obj"] == ["a.png"]


def test_logits_stay_on_the_device_of_the_images(network):
    """The device "meta" stands for a GPU, it has shapes and no values."""
    image = MetaTensor(torch.zeros(2, 1, 20, 30, device="meta"))
    logits = PromptInferer("polyp")(image, network.to("meta"))
    assert logits.device.type == "meta"
    assert network.calls[0][1].device.type == "meta"


@pytest.fixture
def evaluator(tmp_path, network):
    """An evaluator over two images of different prompts, as evaluate.json wires it."""
    for name, level in (("dark", 0), ("bright", 255)):
        Image.fromarray(np.full((20, 30), level, np.uint8)).save(tmp_path / f"{name}.png")
    data = [
        {"image": str(tmp_path / "dark.png"), "prompt": "polyp"},
        {"image": str(tmp_path / "bright.png"), "prompt": "one red lesion"},
    ]
    transform = Compose([LoadImageAnyd("image"), ToDisplayRanged("image"), TokenizePromptd("prompt", "tiny")])
    return SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(Dataset(data, transform), batch_size=2),
        network=network,
        inferer=PromptInferer(),
        prepare_batch=PrepareBatchExtraInput({"input_ids": "input_ids", "attention_mask": "attention_mask"}),
    )


def test_an_evaluator_gets_logits_per_image_with_its_file(evaluator):
    evaluator.run()
    preds = [output["pred"] for output in evaluator.state.output]
    assert [pred.shape for pred in preds] == [(1, 30, 20)] * 2
    assert [pred.meta["filename_or_obj"].rpartition("/")[2] for pred in preds] == ["dark.png", "bright.png"]


def test_an_evaluator_hands_every_image_its_prompt(evaluator):
    evaluator.run()
    dark, bright = (output["pred"].mean().item() for output in evaluator.state.output)
    assert dark == pytest.approx(offset_of("polyp") - 0.485 / 0.229, rel=1e-5)
    assert bright == pytest.approx(offset_of("one red lesion") + (1 - 0.485) / 0.229, rel=1e-5)


# Prompts that images bring


def with_prompt(prompt, seed=0):
    image = MetaTensor(images(1, 32, 32, seed=seed))
    return AttachPromptd("image", default="mass")({"image": image, "prompt": prompt})


def test_the_prompt_of_an_image_is_used_before_that_of_the_inferer(network):
    image = with_prompt("cyst")["image"][None]
    plain = PromptInferer(prompt="cyst")(image.as_tensor(), network)
    assert offset_of("cyst") != offset_of("mass")
    torch.testing.assert_close(PromptInferer(prompt="mass")(image, network).as_tensor(), plain)


def test_images_of_a_batch_bring_their_own_prompts(network):
    batch = list_data_collate([with_prompt("cyst"), with_prompt("mass"), with_prompt("")])["image"]
    logits = PromptInferer()(batch, network).as_tensor()
    without = PromptInferer()(batch.as_tensor(), network)
    offsets = (logits - without).amax(dim=(1, 2, 3))
    torch.testing.assert_close(offsets, torch.tensor([offset_of(name) for name in ("cyst", "mass", "mass")]))


# Memory


def all_at_once(image, network, view):
    """The inferer's way with all slices at a time, as it is written down."""
    pictures = upright_slices(as_unit(image), view)
    logits = network(network_input(pictures, network.image_size))
    size = image.shape[1:3][::-1] if view.swap else image.shape[1:3]
    return view.undo(torch.nn.functional.interpolate(logits, size=tuple(size), mode="bilinear")).movedim(0, -1)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("affine", [np.eye(4), FLIPPED, np.diag([-1.0, 1, 1, 1])], ids=["ras", "lps", "las"])
def test_a_volume_in_parts_is_the_same_as_all_of_it_at_once(network, affine, dtype, batch_size):
    values = images(1, 20, 30, 9)
    values = (values * 255).to(dtype) if dtype == torch.uint8 else values
    image = MetaTensor(values[None], affine=torch.from_numpy(affine)[None])
    image.meta["space"] = ["RAS"]
    found = PromptInferer(batch_size=batch_size)(image, network)
    assert torch.equal(found[0].as_tensor(), all_at_once(values, network, UprightView.of(image)))


def test_no_more_than_a_batch_of_slices_is_turned_at_a_time(network, monkeypatch):
    seen = []
    apply = UprightView.apply
    monkeypatch.setattr(UprightView, "apply", lambda view, image: seen.append(image.shape) or apply(view, image))
    PromptInferer(batch_size=2)(images(1, 1, 20, 30, 5), network)
    assert [shape[0] for shape in seen] == [2, 2, 1]
