"""Checkpoints of the public code and of version 0.1.0."""

import hashlib

import pytest
import torch
from golden.make_golden import small_config, small_model

from monai_vlsm.errors import DataError
from monai_vlsm.networks import (
    Backbone,
    adapter_state_dict,
    convert_reference_checkpoint,
    load_checkpoint,
    load_network,
    save_adapters,
)

KINDS = ["dense", "shallow", "zero_shot", "decoder", "full"]


def old_state(network, backbone):
    """Build what ``state_dict()`` of version 0.1.0 gave, its label written out by its rule."""
    digest = hashlib.sha256()
    for name, tensor in sorted(backbone.model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().flatten()[:64].float().numpy().tobytes())
    label = f"{digest.hexdigest()[:16]} {backbone.name}".encode().ljust(96)
    state = network.state_dict()
    del state["facts"], state["checksum"]
    return state | {"backbone_label": torch.tensor(list(label), dtype=torch.uint8)}


@pytest.fixture(params=KINDS)
def old(request, make_network, small_backbone, tmp_path):
    """A network, and the file that version 0.1.0 would have written of it."""
    network = make_network(request.param, seed=1)
    torch.save({"model": old_state(network, small_backbone)}, tmp_path / "model.pt")
    return request.param, network, tmp_path / "model.pt"


def test_file_of_0_1_0_is_loaded(old, make_network, batch):
    kind, source, path = old
    assert torch.equal(load_checkpoint(make_network(kind), path)(**batch), source(**batch))


def test_network_is_built_from_a_file_of_0_1_0(old, small_backbone, batch):
    _, source, path = old
    network = load_network(path, small_backbone)
    assert (network.describe(), type(network)) == (source.describe(), type(source))
    assert torch.equal(network(**batch), source(**batch))


def test_file_of_0_1_0_becomes_one_of_today(old, small_backbone, batch, tmp_path):
    _, source, path = old
    save_adapters(load_network(path, small_backbone), tmp_path / "new.pt")
    assert torch.equal(load_network(tmp_path / "new.pt", small_backbone)(**batch), source(**batch))


@pytest.mark.parametrize("places", ["V", "T", "C", "VT", "TC"])
@pytest.mark.parametrize("kind", ["dense", "shallow"])
def test_places_of_the_adapters_are_told_by_an_old_file(make_network, small_backbone, batch, tmp_path, kind, places):
    switches = {"adapt_vision": "V" in places, "adapt_text": "T" in places, "adapt_cond": "C" in places}
    source = make_network(kind, seed=1, **switches)
    torch.save(old_state(source, small_backbone), tmp_path / "model.pt")
    assert torch.equal(load_network(tmp_path / "model.pt", small_backbone)(**batch), source(**batch))


def test_old_file_of_another_backbone_is_refused(old, make_network):
    kind, _, path = old
    other = Backbone("other", small_model(small_config(), salt="other"))
    with pytest.raises(DataError, match=r"trained on the backbone 'small' .* stands on 'other'"):
        load_checkpoint(make_network(kind, other), path)


@pytest.mark.parametrize(
    "label",
    [torch.zeros(95, dtype=torch.uint8), torch.zeros(96), torch.zeros(1, dtype=torch.uint8).expand(3 << 30)],
    ids=["short", "floats", "three gigabytes"],
)
def test_odd_label_is_refused(make_network, small_backbone, tmp_path, label):
    state = old_state(make_network("dense"), small_backbone)
    torch.save({"model": state | {"backbone_label": label}}, tmp_path / "model.pt")
    for load in (lambda path: load_checkpoint(make_network("dense"), path), lambda path: load_network(path)):
        with pytest.raises(DataError, match="'backbone_label' must be 96 bytes"):
            load(tmp_path / "model.pt")


def test_wrapped_network_takes_an_old_state(make_network, small_backbone):
    source, network = make_network("dense", seed=1), make_network("dense")
    state = {f"0.{name}": tensor for name, tensor in old_state(source, small_backbone).items()}
    torch.nn.Sequential(network).load_state_dict(state)
    assert all(
        torch.equal(tensor, adapter_state_dict(source)[name]) for name, tensor in adapter_state_dict(network).items()
    )


REFERENCE_NAMES = {
    "v_attn_adapters.0.fc1.weight": "vision_attention_adapters.0.down.weight",
    "v_out_adapters.8.fc2.bias": "vision_mlp_adapters.8.up.bias",
    "l_attn_adapters.3.fc2.weight": "text_attention_adapters.3.up.weight",
    "l_out_adapters.1.fc1.bias": "text_mlp_adapters.1.down.bias",
    "vision_extract_adapters.2.fc1.weight": "vision_adapters.2.down.weight",
    "text_extract_adapters.0.fc2.weight": "text_adapters.0.up.weight",
    "cond_adapter.fc1.bias": "cond_adapter.down.bias",
}
FROZEN_NAME = "clipseg.clip.text_model.encoder.layers.0.mlp.fc1.weight"


@pytest.mark.parametrize("lightning", [False, True], ids=["plain", "lightning"])
def test_public_names_become_ours_and_frozen_tensors_are_left_out(lightning):
    prefix = "net." if lightning else ""
    state = {prefix + name: torch.tensor(float(i)) for i, name in enumerate([*REFERENCE_NAMES, FROZEN_NAME])}
    converted = convert_reference_checkpoint({"state_dict": state, "epoch": 3} if lightning else state)
    assert converted == {name: torch.tensor(float(i)) for i, name in enumerate(REFERENCE_NAMES.values())}


@pytest.mark.parametrize("state", [{}, {"net." + FROZEN_NAME: torch.zeros(1)}, {"state_dict": {}}], ids=str)
def test_public_checkpoint_without_adapters_is_refused(state):
    with pytest.raises(DataError, match="no checkpoint of VLSM-Adapter: no adapter in it"):
        convert_reference_checkpoint(state)
