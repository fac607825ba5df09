"""All networks of a process read the same frozen tensors, and none can change them for the others."""

import copy
import pickle

import pytest
import torch
from golden.make_golden import small_config, small_model

from monai_vlsm.errors import DataError
from monai_vlsm.networks import Backbone, load_backbone, load_checkpoint, save_adapters, trained_parameters
from monai_vlsm.networks.backbone import _load


@pytest.fixture
def backbone():
    """A backbone that a test may damage."""
    return Backbone("small", small_model(small_config()))


@pytest.fixture
def networks(make_network, backbone):
    return make_network("dense", backbone), make_network("shallow", backbone)


def unfreeze_decoder(network):
    for parameter in network.backbone.decoder.parameters():
        parameter.requires_grad_(True)


def one_step(network, batch):
    optimizer = torch.optim.AdamW(trained_parameters(network), lr=1e-2)
    network(**batch).mean().backward()
    optimizer.step()


USES = {
    "forward": lambda network, batch: network(**batch),
    "encode_image": lambda network, batch: network.encode_image(batch["image"]),
    "state_dict": lambda network, batch: network.state_dict(),
    "load_state_dict": lambda network, batch: network.load_state_dict({}),
    "training step": one_step,
    "copy": lambda network, batch: copy.deepcopy(network)(**batch),
    "conversion": lambda network, batch: network.double()(**{**batch, "image": batch["image"].double()}),
}


@pytest.mark.parametrize("use", list(USES))
def test_training_a_shared_tensor_is_an_error_that_names_the_ways_out(networks, batch, use):
    unfreeze_decoder(networks[0])
    with pytest.raises(DataError, match=r"'decoder\.\S+' was unfrozen.*'decoder' or 'full'.*own_copy\(\)"):
        USES[use](networks[0], batch)


def test_unfreezing_one_network_leaves_the_others_as_they_were(networks, batch):
    network, other = networks
    before = other(**batch)
    unfreeze_decoder(network)
    assert torch.equal(other(**batch), before)
    assert not any(parameter.requires_grad for parameter in other.backbone.parameters())


def test_a_third_network_does_not_freeze_the_first(networks, make_network, backbone, batch):
    unfreeze_decoder(networks[0])
    make_network("dense", backbone)(**batch)
    assert all(parameter.requires_grad for parameter in networks[0].backbone.decoder.parameters())


def test_own_copy_trains_what_is_unfrozen_and_saves_it(networks, make_network, backbone, batch, tmp_path):
    network, other = networks[0].own_copy(), networks[1]
    before, start = other(**batch), network(**batch)
    unfreeze_decoder(network)
    one_step(network, batch)
    save_adapters(network, tmp_path / "model.pt")
    again = make_network("dense", backbone, seed=1).own_copy()
    unfreeze_decoder(again)
    load_checkpoint(again, tmp_path / "model.pt")
    assert torch.equal(again(**batch), network(**batch))
    assert not torch.equal(network(**batch), start), "nothing was trained: the test cannot fail"
    assert torch.equal(other(**batch), before)


def test_own_copy_shares_no_memory(networks):
    own = {parameter.data_ptr() for parameter in networks[0].own_copy().parameters()}
    assert own.isdisjoint(parameter.data_ptr() for network in networks for parameter in network.parameters())


def test_own_copy_converts_like_any_network(networks, batch):
    network = networks[0].own_copy().double()
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float64}
    assert network(**{**batch, "image": batch["image"].double()}).shape == (2, 1, 64, 64)


def test_pickled_network_may_be_trained_whole(networks, batch):
    network = pickle.loads(pickle.dumps(networks[0]))
    before = networks[1](**batch)
    network.requires_grad_(True)
    one_step(network, batch)
    assert torch.equal(networks[1](**batch), before)


@torch.no_grad()
def multiply(network):
    network.backbone.decoder.film_mul.weight.mul_(2)


@torch.no_grad()
def swap_two_values(network):
    bias = network.backbone.decoder.film_mul.bias
    bias[:2] = bias[:2].flip(0)


def load_into_backbone(network):
    network.backbone.load_state_dict({name: tensor * 2 for name, tensor in network.backbone.state_dict().items()})


def initialize(network):
    network.apply(lambda module: isinstance(module, torch.nn.Linear) and torch.nn.init.normal_(module.weight))


def step_without_forward(network):
    parameter = network.backbone.decoder.film_mul.weight.requires_grad_(True)
    parameter.sum().backward()
    torch.optim.AdamW([parameter]).step()


WRITES = [multiply, swap_two_values, load_into_backbone, initialize, step_without_forward]


@pytest.mark.parametrize("write", WRITES)
def test_writing_into_shared_memory_stops_every_network(networks, batch, write):
    write(networks[0])
    with pytest.raises(DataError, match="somebody wrote into"):
        networks[1](**batch)


@pytest.mark.parametrize("write", WRITES)
def test_writing_into_converted_memory_stops_the_networks_on_it_alone(networks, batch, write):
    kept, before = copy.deepcopy(networks[1]), networks[1](**batch)
    for network in networks:
        network.double()
    write(networks[0])
    with pytest.raises(DataError, match="somebody wrote into"):
        networks[1].encode_image(batch["image"].double())
    assert torch.equal(kept(**batch), before)


@pytest.mark.parametrize("write", WRITES)
def test_new_networks_do_not_get_converted_memory_that_was_overwritten(networks, make_network, backbone, batch, write):
    kept = networks[1].double()
    write(networks[0].double())
    new = make_network("dense", backbone).double()
    new(**{**batch, "image": batch["image"].double()})
    assert kept is not new


def test_new_networks_are_refused_on_overwritten_memory(networks, make_network, backbone):
    multiply(networks[0])
    with pytest.raises(DataError, match="somebody wrote into"):
        make_network("dense", backbone)


def test_overwritten_backbone_is_read_again():
    before = load_backbone("tiny")
    with torch.no_grad():
        next(before.model.parameters()).mul_(2)
    after = load_backbone("tiny")
    _load.cache_clear()
    assert after is not before
    assert after.fingerprint == load_backbone("tiny").fingerprint


def test_replaced_values_are_an_error_of_that_network_alone(networks, batch):
    before = networks[1](**batch)
    weight = networks[0].backbone.decoder.film_mul.weight
    weight.data = torch.zeros_like(weight)
    with pytest.raises(DataError, match="was given other values"):
        networks[0].state_dict()
    assert torch.equal(networks[1](**batch), before)


def write_the_same(network):
    network.backbone.load_state_dict({name: tensor.clone() for name, tensor in network.backbone.state_dict().items()})


def share_memory(network):
    network.share_memory()


@pytest.mark.parametrize("write", [write_the_same, share_memory])
def test_equal_values_are_no_reason_to_stop(networks, batch, write):
    before = networks[1](**batch)
    write(networks[0])
    assert torch.equal(networks[1](**batch), before)


def test_empty_memory_of_one_network_never_becomes_that_of_others(networks, batch):
    before = networks[1](**batch)
    networks[0].to("meta").to_empty(device="cpu")
    assert torch.equal(networks[1](**batch), before)


def test_networks_built_without_autograd_share_too(make_network, backbone, batch):
    with torch.inference_mode():
        network = make_network("dense", backbone)
        logits = network(**batch)
    assert torch.equal(make_network("dense", backbone)(**batch), logits)
