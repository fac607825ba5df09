"""Saving, loading and training through what networks are wrapped in: parents, compilers, processes, handlers."""

import copy

import pytest
import torch
from ignite.engine import Engine, Events
from monai.handlers import CheckpointLoader, CheckpointSaver
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_vlsm.errors import DataError
from monai_vlsm.networks import adapter_state_dict

WRAPPERS = {
    "sequential": nn.Sequential,
    "parent whose attribute is called backbone": lambda network: nn.ModuleDict({"backbone": network}),
    "compiled": torch.compile,
    "distributed": DistributedDataParallel,
}


@pytest.fixture
def process_group():
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.fixture(params=list(WRAPPERS))
def wrap(request):
    if request.param == "distributed":
        request.getfixturevalue("process_group")
    return WRAPPERS[request.param]


def trained(network):
    return copy.deepcopy(adapter_state_dict(network))


def equal(first, second):
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_wrapped_network_saves_trained_tensors_only(make_network, wrap):
    network = make_network("dense")
    wrapped = wrap(network)
    prefix = next(name for name, module in wrapped.named_modules() if module is network) + "."
    assert set(wrapped.state_dict()) == {prefix + name for name in network.state_dict()}


def test_wrapped_network_loads_strictly(make_network, wrap):
    source, network = make_network("dense"), make_network("dense", seed=1)
    wrap(network).load_state_dict(wrap(source).state_dict())
    assert equal(trained(network), trained(source))


def test_wrapped_network_refuses_what_does_not_fit(make_network, wrap):
    with pytest.raises(DataError, match="Was it trained with another network"):
        wrap(make_network("dense")).load_state_dict(wrap(make_network("shallow")).state_dict(), strict=False)


@pytest.mark.usefixtures("process_group")
@pytest.mark.parametrize("kind", ["dense", "shallow", "decoder"])
def test_distributed_training_finds_no_unused_parameter(make_network, batch, kind):
    """The second forward of DistributedDataParallel fails if a parameter had no gradient in the first backward."""
    network = DistributedDataParallel(make_network(kind))
    for _ in range(2):
        network(**batch).mean().backward()
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize("strict", [True, False])
def test_monai_handlers_save_and_load(make_network, tmp_path, strict):
    source, network = make_network("dense"), make_network("dense", seed=1)
    engine = Engine(lambda engine, item: None)
    CheckpointSaver(str(tmp_path), {"model": source}, save_final=True, final_filename="model.pt").attach(engine)
    engine.run([0], max_epochs=1)
    loading = Engine(lambda engine, item: None)
    CheckpointLoader(str(tmp_path / "model.pt"), {"model": network}, strict=strict).attach(loading)
    loading.fire_event(Events.STARTED)
    assert equal(trained(network), trained(source))
