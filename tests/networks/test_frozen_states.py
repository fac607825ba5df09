"""States of an untouched vision encoder stand for the image."""

import pytest
import torch

from monai_vlsm.errors import DataError

UNTOUCHED = [("shallow", {}), ("decoder", {}), ("zero_shot", {}), ("dense", {"adapt_vision": False})]


@pytest.mark.parametrize(("kind", "options"), UNTOUCHED)
def test_frozen_states_give_the_logits_and_gradients_of_the_image(make_network, batch, kind, options):
    network = make_network(kind, **options)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    states = network.frozen_states(batch["image"])
    results = [network(**batch, **given) for given in ({}, {"states": states})]
    torch.testing.assert_close(*results, rtol=0, atol=0)
    if trained:
        gradients = [torch.autograd.grad(result.square().mean(), trained) for result in results]
        torch.testing.assert_close(*gradients, rtol=0, atol=0)


def test_the_vision_encoder_is_not_run_where_states_are_given(make_network, batch):
    network = make_network("shallow")
    states = network.frozen_states(batch["image"])
    network.backbone.clip.vision_model.encoder.layers = None
    assert network(**batch, states=states).shape == (2, 1, 64, 64)


@pytest.mark.parametrize(("kind", "options"), [("dense", {}), ("full", {})])
def test_methods_that_change_the_vision_encoder_have_no_frozen_states(make_network, batch, kind, options):
    network = make_network(kind, **options)
    assert not network.vision_is_frozen
    with pytest.raises(DataError, match="such as 'shallow'"):
        network.frozen_states(batch["image"])
