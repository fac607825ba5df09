"""Two processes that share batches make the steps of one, to the precision of double numbers."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import ignite.distributed
import pytest
import torch
from engines.conftest import IMAGES, Network
from ignite.engine import Events
from monai.handlers import IgniteMetricHandler, from_engine
from monai.losses import DiceLoss
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from monai_vlsm.engines import SplitStep, share_network

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")


def train(trainer, network, accumulate: int) -> dict[str, torch.Tensor]:
    """Train, and return weights, losses of all steps, metric, number of images in it, and exchanges of gradients."""
    metric = IgniteMetricHandler(loss_fn=DiceLoss(sigmoid=True), output_transform=from_engine(["pred", "label"]))
    training = trainer(SplitStep(accumulate), network, key_train_metric={"dice": metric})
    losses = []
    training.add_event_handler(Events.ITERATION_COMPLETED, lambda: losses.append(training.state.output[0]["loss"]))
    training.run()
    return {
        "weight": next(network.parameters()).detach(),
        "losses": torch.tensor(losses, dtype=torch.double),
        "metric": torch.tensor(training.state.metrics["dice"], dtype=torch.double),
        "images": torch.tensor(len(training.state.metric_details["dice"])),
    }


def train_share(trainer, accumulate: int, folder: Path, rank: int) -> None:
    store = (folder / "store").as_uri()
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    ignite.distributed.sync()
    exchanged = []

    def count(state, bucket):
        exchanged.append(bucket.buffer().numel())
        return allreduce_hook(None, bucket)

    network = share_network(Network(), "cpu")
    network.register_comm_hook(None, count)
    found = train(trainer, network, accumulate)
    torch.save({**found, "exchanged": torch.tensor(exchanged)}, folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture
def shared(trainer, tmp_path):
    """Return what each of two processes has found; forked, so that they need not import anything again."""

    def run(accumulate: int) -> list[dict[str, torch.Tensor]]:
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=train_share, args=(trainer, accumulate, tmp_path, rank)) for rank in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(timeout=60)
        assert [worker.exitcode for worker in workers] == [0, 0]
        return [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]

    return run


@pytest.mark.parametrize("accumulate", [1, 2])
def test_weights_losses_and_metrics_are_those_of_one_process(trainer, shared, accumulate):
    """Of the last three images, one process has two and the other one: in two pieces, and in one."""
    expected = train(trainer, Network(), accumulate=1)
    for found in shared(accumulate):
        for name, value in expected.items():
            tolerance = 1e-7 if name == "metric" else 1e-12  # MONAI's handler returns single precision
            torch.testing.assert_close(
                found[name], value, rtol=0, atol=tolerance, msg=lambda text, name=name: name + text
            )
    assert expected["images"] == IMAGES


def test_each_step_exchanges_every_gradient_once(shared):
    parameters = sum(parameter.numel() for parameter in Network().parameters())
    for found in shared(accumulate=2):
        assert found["exchanged"].tolist() == [parameters] * len(found["losses"])
