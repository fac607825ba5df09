import pytest
import torch

from monai_vlsm.errors import DataError
from monai_vlsm.networks.blocks import Adapter


@pytest.fixture
def adapter():
    torch.manual_seed(0)
    return Adapter(width=8, bottleneck=3)


def test_adapter_is_the_formula_of_the_paper():
    adapter = Adapter(width=2, bottleneck=1)
    with torch.no_grad():
        adapter.down.weight.copy_(torch.tensor([[1.0, -2.0]]))
        adapter.down.bias.fill_(0.5)
        adapter.up.weight.copy_(torch.tensor([[3.0], [-1.0]]))
        adapter.up.bias.copy_(torch.tensor([0.25, 4.0]))
    # x = (2, 0.5): down = 2 - 1 + 0.5 = 1.5, up = (4.5 + 0.25, -1.5 + 4); x = (0, 1): down < 0, up = bias
    x = torch.tensor([[2.0, 0.5], [0.0, 1.0]])
    assert torch.equal(adapter(x), torch.tensor([[6.75, 3.0], [0.25, 5.0]]))


@pytest.mark.parametrize("shape", [(8,), (2, 8), (2, 5, 8), (2, 3, 4, 8)])
def test_shape_stays(adapter, shape):
    assert adapter(torch.randn(shape)).shape == shape


def test_adapter_only_adds(adapter):
    x = torch.randn(50, 8)
    difference = adapter(x) - x
    assert difference.max() > 0, "the adapter does nothing at all"
    assert difference.min() >= 0


def test_all_four_tensors_receive_gradient(adapter):
    adapter(torch.randn(50, 8)).pow(2).mean().backward()
    assert {name for name, p in adapter.named_parameters() if p.grad is not None and p.grad.any()} == {
        "down.weight",
        "down.bias",
        "up.weight",
        "up.bias",
    }


@pytest.mark.parametrize("bottleneck", [0, -4])
def test_empty_bottleneck_is_refused(bottleneck):
    with pytest.raises(DataError, match=f"'bottleneck' must be a whole number from 1 to 65,536, not {bottleneck}"):
        Adapter(width=8, bottleneck=bottleneck)
