"""A network computes in the precision it is asked for, holds frozen weights in it, and nothing else depends on it."""

import copy

import pytest
import torch

from monai_vlsm.errors import DataError
from monai_vlsm.networks import (
    adapter_state_dict,
    build_network,
    needs_loss_scaling,
    precision,
    trained_parameters,
)
from monai_vlsm.networks.sharing import shared_parameters

LOW = ["bfloat16", "float16"]
ALL = ["dense", "shallow", "decoder", "full", "zero_shot"]


@pytest.fixture
def native(monkeypatch):
    """Let the processor multiply bfloat16, or not."""
    monkeypatch.delenv("MONAI_VLSM_PRECISION")
    return lambda answer: monkeypatch.setattr(precision, "cpu_multiplies_bfloat16", lambda: answer)


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("kind", ALL)
def test_logits_are_float32_and_near_those_of_float32(make_network, batch, kind, low):
    network = make_network(kind)
    exact = network(**batch).detach()
    rounded = network.set_precision(low)(**batch).detach()
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact), "nothing was computed in another precision"
    assert (rounded - exact).std() < 0.05 * exact.std()


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("kind", ["dense", "shallow", "decoder", "full"])
def test_trained_tensors_and_their_gradients_stay_float32(make_network, batch, kind, low):
    network = make_network(kind).set_precision(low)
    network(**batch).square().mean().backward()
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    assert {parameter.dtype for parameter in trained} == {torch.float32}
    assert {parameter.grad.dtype for parameter in trained if parameter.grad is not None} == {torch.float32}


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("kind", ["dense", "shallow", "decoder"])
def test_gradients_are_near_those_of_float32(kind, low):
    """On the shipped weights: the small network's are drawn so that its rectifiers are all about to switch."""
    torch.manual_seed(0)
    network, image = build_network(kind, "tiny", prompt="a cyst"), torch.rand(2, 3, 64, 64)
    trained = list(adapter_state_dict(network))
    gradients = []
    for chosen in ("float32", low):
        network.set_precision(chosen).zero_grad()
        network(image).sigmoid().mean().backward()
        gradients.append(torch.cat([network.get_parameter(name).grad.flatten() for name in trained]))
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.99


@pytest.mark.parametrize("low", LOW)
def test_frozen_weights_are_held_in_the_type_of_the_computation_once_for_all_networks(make_network, low):
    first, second = (make_network(kind).set_precision(low) for kind in ("dense", "shallow"))
    weights = [network.backbone.clip.text_model.encoder.layers[0].mlp.fc1.weight for network in (first, second)]
    assert weights[0].dtype == getattr(torch, low)
    assert weights[0].data_ptr() == weights[1].data_ptr()
    norms = {p.dtype for _, name, p in shared_parameters(first.backbone.clip.vision_model.pre_layrnorm)}
    assert norms == {torch.float32}


def test_going_back_to_float32_gives_every_bit_back(make_network, batch):
    network = make_network("dense")
    before = network(**batch)
    network.set_precision("bfloat16").set_precision("float32")
    assert torch.equal(network(**batch), before)


def test_one_network_in_bfloat16_leaves_the_others_as_they_are(make_network, batch):
    network, other = make_network("dense"), make_network("dense")
    before = other(**batch)
    network.set_precision("bfloat16")
    assert torch.equal(other(**batch), before)


@pytest.mark.parametrize(("answer", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_is_what_the_processor_multiplies(make_network, native, answer, expected):
    native(answer)
    assert make_network("dense", precision="auto").compute_type == expected


def test_the_site_says_what_auto_means(make_network, monkeypatch):
    monkeypatch.setenv("MONAI_VLSM_PRECISION", "bfloat16")
    assert make_network("dense").compute_type == torch.bfloat16
    assert make_network("dense", precision="float32").compute_type == torch.float32


@pytest.mark.parametrize("wrong", ["", "fp16", "float64", None, 16, True])
def test_an_unknown_precision_is_refused(make_network, wrong):
    with pytest.raises(DataError, match="precision must be one of 'auto', 'float32'"):
        make_network("dense", precision=wrong)


def test_an_unknown_precision_of_the_site_is_refused(make_network, monkeypatch):
    monkeypatch.setenv("MONAI_VLSM_PRECISION", "half")
    with pytest.raises(DataError, match="precision must be one of 'auto', 'float32'"):
        make_network("dense")


@pytest.mark.parametrize("low", LOW)
def test_checkpoints_do_not_depend_on_the_precision(make_network, low):
    network = make_network("dense")
    before = network.state_dict()
    after = network.set_precision(low).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    make_network("dense", seed=1).load_state_dict(after)


@pytest.mark.parametrize("low", LOW)
def test_a_copy_has_the_precision_and_gives_the_same(make_network, batch, low):
    network = make_network("dense").set_precision(low)
    copied = copy.deepcopy(network)
    assert copied.compute_type == getattr(torch, low)
    assert torch.equal(copied(**batch), network(**batch))


def test_an_own_copy_holds_the_unrounded_weights(make_network):
    network = make_network("zero_shot")
    weight = network.backbone.decoder.film_mul.weight.clone()
    copied = network.set_precision("bfloat16").own_copy()
    assert copied.compute_type == torch.bfloat16
    assert torch.equal(copied.backbone.decoder.film_mul.weight, weight)


def test_a_network_cast_by_hand_computes_in_what_it_was_cast_to(make_network, batch):
    network = make_network("dense", precision="bfloat16").double()
    assert network.compute_type == torch.float64
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float64}


@pytest.mark.parametrize(("chosen", "expected"), [("float32", False), ("bfloat16", False)])
def test_only_float16_needs_a_scaled_loss(make_network, chosen, expected):
    assert needs_loss_scaling(make_network("dense", precision=chosen)) is expected


def test_training_in_float16_on_a_processor_is_refused(make_network):
    with pytest.raises(DataError, match="needs a GPU"):
        needs_loss_scaling(make_network("dense", precision="float16"))


def test_build_network_takes_the_precision(reading_backbone):
    assert build_network("shallow", reading_backbone, precision="bfloat16").compute_type == torch.bfloat16


def test_writing_into_rounded_weights_is_noticed(make_network, batch):
    network = make_network("dense", precision="bfloat16")
    weight = network.backbone.clip.text_model.encoder.layers[0].mlp.fc1.weight
    with torch.no_grad():
        weight.mul_(2)
    try:
        with pytest.raises(DataError, match="somebody wrote into"):
            network(**batch)
    finally:
        with torch.no_grad():
            weight.mul_(0.5)


@pytest.mark.parametrize("low", LOW)
def test_training_goes_on_exactly_in_the_same_precision(make_network, batch, low):
    def step(network, optimizer):
        optimizer.zero_grad()
        network(**batch).sigmoid().mean().backward()
        optimizer.step()

    def built(seed):
        network = make_network("dense", seed=seed, precision=low)
        return network, torch.optim.AdamW(trained_parameters(network), lr=1e-2)

    network, optimizer = built(0)
    step(network, optimizer)
    saved = copy.deepcopy([network.state_dict(), optimizer.state_dict()])
    step(network, optimizer)
    resumed = built(1)
    for item, state in zip(resumed, saved, strict=True):
        item.load_state_dict(state)
    step(*resumed)
    torch.testing.assert_close(adapter_state_dict(resumed[0]), adapter_state_dict(network), rtol=0, atol=0)
