"""Networks of MONAI that read no text, behind the interface of those that do."""

import logging

import pytest
import torch
from networks.installed import installed

from monai_vlsm.errors import DataError, UserError
from monai_vlsm.networks import build_network, load_checkpoint, save_adapters, trained_parameters
from monai_vlsm.networks.nets import image_only

SIZES = {
    "unet": 1_979_009,
    "unetpp": 2_410_657,
    "attention_unet": 7_940_321,
    "flexible_unet": 5_367_117,
    "swin_unetr": 6_302_875,
}

every_architecture = pytest.mark.parametrize("architecture", installed(image_only.ARCHITECTURES))


@pytest.fixture
def unet(small_backbone):
    return build_network("unet", small_backbone)


def test_prompt_counts_for_nothing(unet, batch):
    assert torch.equal(unet(**batch), unet(batch["image"], batch["input_ids"].flip(0)))


def test_one_encoding_answers_many_prompts(unet, batch):
    features = unet.encode_image(batch["image"][:1])
    logits = unet.decode(features, unet.encode_text(batch["input_ids"]))
    assert logits.shape == (2, 1, 64, 64)
    assert torch.equal(logits[0], logits[1])


def test_that_no_text_is_read_is_said(small_backbone, caplog):
    with caplog.at_level(logging.WARNING, "monai_vlsm"):
        network = build_network("unet", small_backbone)
    assert "'unet' reads no text" in caplog.text
    assert not network.reads_text


@pytest.fixture(scope="module", params=installed(image_only.ARCHITECTURES))
def twins(request, small_backbone):
    """Two networks of an architecture."""
    return [build_network(request.param, small_backbone) for _ in range(2)]


def test_all_of_a_network_is_trained_and_nothing_of_it_is_another_ones(twins):
    own, other = ({tensor.data_ptr() for tensor in network.parameters()} for network in twins)
    assert len(own) == len(trained_parameters(twins[0]))
    assert not own & other


def test_file_gives_another_network_every_tensor(twins, tmp_path):
    source, other = twins
    saved, before = source.state_dict(), {name: tensor.clone() for name, tensor in other.state_dict().items()}
    assert any(not torch.equal(tensor, before[name]) for name, tensor in saved.items())
    save_adapters(source, tmp_path / "model.pt")
    loaded = load_checkpoint(other, tmp_path / "model.pt").state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in saved.items())


def test_architecture_has_the_size_of_the_table(twins):
    """Of docs/methods.md."""
    assert sum(tensor.numel() for tensor in trained_parameters(twins[0])) == SIZES[twins[0].method]


@every_architecture
def test_sizes_that_the_architecture_cannot_halve_are_refused(small_backbone, architecture):
    network, multiple = build_network(architecture, small_backbone), image_only.ARCHITECTURES[architecture].multiple
    with pytest.raises(DataError, match=f"multiples of {multiple} pixels"):
        network(torch.zeros(1, 3, 64, 64 + multiple // 2))


def test_backbone_is_not_in_it(unet):
    assert not hasattr(unet, "backbone")


def test_frozen_states_are_refused(unet, batch):
    with pytest.raises(DataError, match="changes the vision encoder"):
        unet.frozen_states(batch["image"])


def test_gradient_checkpointing_is_refused(small_backbone):
    with pytest.raises(DataError, match="gradient_checkpointing must be false for the method 'unet'"):
        build_network("unet", small_backbone, gradient_checkpointing=True)


def test_logits_in_bfloat16_are_near_and_float32(unet, batch):
    image = batch["image"][:1, :, :32, :32]
    logits = unet(image)
    low = unet.set_precision("bfloat16")(image)
    assert low.dtype == torch.float32
    assert not torch.equal(low, logits)
    torch.testing.assert_close(low, logits, rtol=0.1, atol=0.1)


def test_missing_package_is_told_with_what_to_install(small_backbone, monkeypatch):
    monkeypatch.setattr(image_only, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="'swin_unetr' needs the package einops: pip install einops"):
        build_network("swin_unetr", small_backbone)


def test_unknown_architecture_is_refused(small_backbone):
    with pytest.raises(DataError, match="choose one of unet, unetpp"):
        image_only.ImageOnlyNetwork(small_backbone, "vnet")
