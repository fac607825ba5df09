"""What is exported or compiled holds the frozen backbone too, and gives what the network gives."""

import io
import pickle

import pytest
import torch
from golden.make_golden import small_config, small_model

from monai_vlsm.networks import Backbone

KINDS = ["dense", "shallow"]
WITH_TOKENS = pytest.mark.parametrize("names", [("image",), ("image", "input_ids", "attention_mask")], ids=len)


pytestmark = pytest.mark.usefixtures("no_traces_of_the_compiler")


@pytest.fixture(scope="module")
def two_layer_backbone():
    """Two layers are enough to find out whether a graph can be recorded, and much faster."""
    config = small_config(vision={"num_hidden_layers": 3}, text={"num_hidden_layers": 2}, extract_layers=[0, 1])
    return Backbone("two layers", small_model(config))


@pytest.fixture
def arguments(batch):
    return lambda names: tuple(batch[name] for name in names)


def assert_same_logits(logits, expected):
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


@WITH_TOKENS
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_torchscript_file_holds_everything(make_network, two_layer_backbone, arguments, kind, names):
    network, file = make_network(kind, two_layer_backbone).eval(), io.BytesIO()
    torch.jit.save(torch.jit.trace(network, arguments(names)), file)
    file.seek(0)
    assert_same_logits(torch.jit.load(file)(*arguments(names)), network(*arguments(names)))


@WITH_TOKENS
@pytest.mark.parametrize("kind", KINDS)
def test_exported_program_holds_everything(make_network, two_layer_backbone, arguments, kind, names):
    network, file = make_network(kind, two_layer_backbone).eval(), io.BytesIO()
    torch.export.save(torch.export.export(network, arguments(names)), file)
    file.seek(0)
    assert_same_logits(torch.export.load(file).module()(*arguments(names)), network(*arguments(names)))


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_file_holds_everything(make_network, two_layer_backbone, arguments, tmp_path, kind):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    network, (image,) = make_network(kind, two_layer_backbone).eval(), arguments(("image",))
    torch.onnx.export(network, (image,), tmp_path / "model.onnx", dynamo=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (logits,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    assert_same_logits(torch.from_numpy(logits), network(image))


@pytest.fixture
def compiled():
    """Graphs are recorded, but nothing is made of them that needs a compiler of C++."""
    yield lambda network: torch.compile(network, backend="aot_eager")
    torch.compiler.reset()


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_network_gives_the_same_logits(make_network, two_layer_backbone, batch, compiled, kind):
    network = make_network(kind, two_layer_backbone).eval()
    with torch.no_grad():
        assert_same_logits(compiled(network)(**batch), network(**batch))


def test_compiled_network_has_the_same_gradients(make_network, two_layer_backbone, batch, compiled):
    network, other = (make_network("dense", two_layer_backbone) for _ in range(2))
    network(**batch).mean().backward()
    compiled(other)(**batch).mean().backward()
    for parameter, expected in zip(other.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_pickled_network_holds_everything(make_network, two_layer_backbone, batch, kind):
    network = make_network(kind, two_layer_backbone)
    assert torch.equal(pickle.loads(pickle.dumps(network))(**batch), network(**batch))
