"""State dicts hold what was trained and nothing else, and a file that does not fit is refused whole."""

import copy
from pathlib import Path

import pytest
import torch
from golden.make_golden import small_config, small_model

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import (
    Backbone,
    CLIPSegDenseAdapter,
    adapter_state_dict,
    convert_reference_checkpoint,
    load_adapter_state_dict,
    load_checkpoint,
)

KINDS = ["dense", "shallow", "zero_shot", "decoder", "full"]
BUFFERS = {"default_input_ids", "default_attention_mask", "facts", "checksum"}
FIRST = "vision_attention_adapters.0.down.weight"


def trained(network):
    return copy.deepcopy(adapter_state_dict(network))


def equal(first, second):
    return set(first) == set(second) and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", KINDS)
def test_state_dict_holds_trained_tensors_and_buffers_only(make_network, kind):
    network = make_network(kind)
    assert set(network.state_dict()) == set(adapter_state_dict(network)) | BUFFERS


def test_checkpoint_of_the_real_size_has_13_megabytes(full_size_backbone):
    tensors = CLIPSegDenseAdapter(full_size_backbone).state_dict().values()
    assert 12.9e6 < sum(tensor.nbytes for tensor in tensors) < 13.0e6


def test_file_is_little_larger_than_the_trained_tensors(make_network, tmp_path):
    network = make_network("decoder")
    torch.save({"model": network.state_dict()}, tmp_path / "model.pt")
    trained_bytes = sum(tensor.nbytes for tensor in adapter_state_dict(network).values())
    assert trained_bytes < (tmp_path / "model.pt").stat().st_size < trained_bytes + 100_000


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_loaded_network_gives_the_same_logits(make_network, batch, kind, strict):
    source, network = make_network(kind), make_network(kind, seed=1)
    with torch.no_grad():
        for tensor in adapter_state_dict(source).values():
            tensor.mul_(1.1)
    incompatible = network.load_state_dict(source.state_dict(), strict=strict)
    assert (incompatible.missing_keys, incompatible.unexpected_keys) == ([], [])
    assert torch.equal(network(**batch), source(**batch))


def test_default_prompt_travels_with_the_checkpoint(make_network, reading_backbone):
    source, network = (make_network("dense", reading_backbone, prompt=text) for text in ("large polyp", "cyst"))
    image = torch.randn(1, 3, 64, 64)
    assert not torch.equal(network(image), source(image))
    network.load_state_dict(source.state_dict())
    assert torch.equal(network(image), source(image))


def missing(state):
    del state[FIRST]


def unexpected(state):
    state["more.weight"] = torch.zeros(1)


def other_shape(state):
    state[FIRST] = torch.zeros(7, 32)


def empty(state):
    state.clear()


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, f"1 tensors are missing, the first is '{FIRST}'"),
        (unexpected, "nothing is missing; 1 are unexpected, the first is 'more.weight'"),
        (other_shape, rf"'{FIRST}' has the shape \(7, 32\) in the checkpoint, \(6, 32\) in this network"),
        (empty, "tensors are missing, the first is 'checksum'"),
    ],
)
def test_wrong_state_names_the_first_key_and_changes_nothing(make_network, spoil, message, strict):
    state = make_network("dense", seed=1).state_dict()
    spoil(state)
    network = make_network("dense")
    before = trained(network)
    with pytest.raises(DataError, match=message):
        network.load_state_dict(state, strict=strict)
    assert equal(trained(network), before)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(("saved", "loading"), [("dense", "shallow"), ("shallow", "dense"), ("dense", "decoder")])
def test_state_of_another_network_is_refused(make_network, saved, loading, strict):
    with pytest.raises(DataError, match="Was it trained with another network"):
        make_network(loading).load_state_dict(make_network(saved).state_dict(), strict=strict)


@pytest.mark.parametrize("strict", [True, False])
def test_checkpoint_of_another_backbone_is_refused_by_both_names(make_network, strict):
    other = Backbone("other", small_model(small_config(), salt="other"))
    state = make_network("dense", other, seed=1).state_dict()
    network = make_network("dense")
    before = trained(network)
    with pytest.raises(DataError, match=r"trained on the backbone 'other' .* stands on 'small'"):
        network.load_state_dict(state, strict=strict)
    assert equal(trained(network), before)


@pytest.mark.parametrize("name", ["same weights elsewhere", "folder/" * 40, "Ärzte" * 30])
def test_backbone_may_be_called_otherwise(make_network, name):
    state = make_network("dense", Backbone(name, small_model(small_config()))).state_dict()
    network = make_network("dense", seed=1)
    network.load_state_dict(state)
    assert equal(trained(network), trained(make_network("dense")))


def test_copy_guards_its_own_checkpoints(make_network):
    network = make_network("dense")
    other = copy.deepcopy(network)
    before = trained(network)
    other.load_state_dict(make_network("dense", seed=1).state_dict())
    assert equal(trained(network), before)
    assert equal(trained(other), trained(make_network("dense", seed=1)))
    with pytest.raises(DataError, match="trained with another network"):
        other.load_state_dict(make_network("shallow").state_dict())


@pytest.mark.parametrize("under", ["model", None], ids=["under model", "bare"])
def test_file_is_loaded_into_the_network(make_network, tmp_path, under):
    source, network = make_network("dense"), make_network("dense", seed=1)
    torch.save({under: source.state_dict(), "epoch": 3} if under else source.state_dict(), tmp_path / "model.pt")
    assert load_checkpoint(network, tmp_path / "model.pt") is network
    assert equal(trained(network), trained(source))


def test_missing_file_is_named_with_what_creates_it(make_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=r"python -m monai\.bundle run training") as error:
        load_checkpoint(make_network("dense"), "models/model.pt")
    assert str(tmp_path / "models" / "model.pt") in str(error.value)


@pytest.mark.parametrize("kept", [0, 1, 0.3, 0.9, 0.999], ids=lambda kept: f"{kept} of it")
def test_truncated_file_is_refused(make_network, tmp_path, kept):
    path = tmp_path / "model.pt"
    torch.save({"model": make_network("dense", seed=1).state_dict()}, path)
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
    network = make_network("dense")
    before = trained(network)
    with pytest.raises(DataError, match=r"model.pt' is damaged, or holds more than tensors"):
        load_checkpoint(network, path)
    assert equal(trained(network), before)


@pytest.mark.parametrize("content", [b"hello\n", b'{"a": 1}', bytes(range(256))])
def test_file_of_another_kind_is_refused(make_network, tmp_path, content):
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(DataError, match=r"model.pt' is damaged, or holds more than tensors"):
        load_checkpoint(make_network("dense"), tmp_path / "model.pt")


class Trap:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_run(make_network, tmp_path):
    network = make_network("dense")
    torch.save({"model": network.state_dict(), "more": Trap(tmp_path / "sprung")}, tmp_path / "model.pt")
    with pytest.raises(DataError, match="holds more than tensors"):
        load_checkpoint(network, tmp_path / "model.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), None, {"model": [1]}], ids=repr)
def test_file_without_named_tensors_is_refused(make_network, tmp_path, content):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(DataError, match="not tensors by name: it is no checkpoint"):
        load_checkpoint(make_network("dense"), tmp_path / "model.pt")


def test_file_that_does_not_fit_is_named(make_network, tmp_path):
    torch.save(make_network("shallow").state_dict(), tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"model.pt': the checkpoint was trained with the method 'shallow'"):
        load_checkpoint(make_network("dense"), tmp_path / "model.pt")


def test_trained_tensors_go_from_network_to_network(make_network):
    source, network = make_network("dense"), make_network("dense", seed=1)
    load_adapter_state_dict(network, adapter_state_dict(source))
    assert equal(trained(network), trained(source))


@pytest.mark.parametrize("spoil", [missing, unexpected, other_shape])
def test_wrong_trained_tensors_are_refused_and_change_nothing(make_network, spoil):
    tensors = trained(make_network("dense", seed=1))
    spoil(tensors)
    network = make_network("dense")
    before = trained(network)
    with pytest.raises(DataError, match="more.weight" if spoil is unexpected else FIRST):
        load_adapter_state_dict(network, tensors)
    assert equal(trained(network), before)


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
