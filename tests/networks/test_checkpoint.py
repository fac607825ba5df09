"""State dicts hold what was trained and nothing else, and a file that does not fit is refused whole."""

import copy
from pathlib import Path

import pytest
import torch
from golden.make_golden import small_config, small_model
from monai.networks import copy_model_state

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import (
    Backbone,
    CLIPSegDenseAdapter,
    adapter_state_dict,
    load_adapter_state_dict,
    load_checkpoint,
    load_network,
    save_adapters,
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


def not_a_number(state):
    state[FIRST] = torch.full_like(state[FIRST], torch.nan)


def infinite(state):
    state[FIRST] = state[FIRST].clone().index_fill(0, torch.tensor(0), torch.inf)


def too_large_for_float(state):
    state[FIRST] = state[FIRST].double() + 1e300


def bytes_for_floats(state):
    state[FIRST] = state[FIRST].to(torch.int8)


def truths_for_floats(state):
    state[FIRST] = state[FIRST] > 0


def complex_numbers(state):
    state[FIRST] = state[FIRST].to(torch.complex64)


def sparse(state):
    state[FIRST] = state[FIRST].to_sparse()


def without_values(state):
    state[FIRST] = state[FIRST].to("meta")


def doubled(state):
    state[FIRST] = state[FIRST] * 2


def one_bit(state):
    state[FIRST] = state[FIRST].clone()
    state[FIRST].view(torch.int32)[0, 0] ^= 1


def list_for_tensor(state):
    state[FIRST] = state[FIRST].tolist()


def number_as_name(state):
    state[3] = torch.zeros(1)


def another_prompt(state):
    state["default_input_ids"] = state["default_input_ids"] + 1


def unknown_token(state):
    state["default_input_ids"] = state["default_input_ids"] + 10**9


def short_facts(state):
    state["facts"] = state["facts"][:-1]


def long_facts(state):
    state["facts"] = torch.zeros(1, dtype=torch.uint8).expand(3 << 30)


def facts_of_noise(state):
    state["facts"] = torch.arange(1024).to(torch.uint8)


def facts_of_floats(state):
    state["facts"] = state["facts"].float()


def deep_facts(state):
    state["facts"] = torch.tensor(list(b"[" * 1024), dtype=torch.uint8)


def list_of_facts(state):
    state["facts"] = torch.tensor(list(b"[1]".ljust(1024)), dtype=torch.uint8)


def newer_format(state):
    text = state["facts"].numpy().tobytes().replace(b'"format": 2', b'"format": 3')
    state["facts"] = torch.tensor(list(text), dtype=torch.uint8)


def no_facts(state):
    del state["facts"]


def no_checksum(state):
    del state["checksum"]


SPOILED = [
    (not_a_number, "not finite"),
    (infinite, "not finite"),
    (too_large_for_float, "not finite"),
    (bytes_for_floats, r"is of torch\.int8|CharStorage"),
    (truths_for_floats, r"is of torch\.bool"),
    (complex_numbers, r"is of torch\.complex64|more than tensors"),
    (sparse, "not a plain tensor|more than tensors"),
    (without_values, "not a plain tensor|more than tensors"),
    (doubled, "checksum"),
    (one_bit, "checksum"),
    (list_for_tensor, "not list under"),
    (number_as_name, "not Tensor under 3"),
    (another_prompt, "checksum|outside of the"),
    (unknown_token, "outside of the"),
    (short_facts, "must be 1024 bytes"),
    (long_facts, "must be 1024 bytes"),
    (facts_of_noise, "holds no JSON"),
    (facts_of_floats, "must be 1024 bytes"),
    (deep_facts, "holds no JSON"),
    (list_of_facts, "must name"),
    (newer_format, "format 3.*update"),
    (no_facts, "the first is 'facts'"),
    (no_checksum, "the first is 'checksum'"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILED, ids=lambda value: getattr(value, "__name__", ""))
def test_spoiled_state_is_refused_whatever_it_is_loaded_with(make_network, spoil, message):
    state = make_network("dense", seed=1).state_dict()
    spoil(state)
    network = make_network("dense")
    before = trained(network)
    with pytest.raises(DataError, match=message):
        network.load_state_dict(state, strict=False)
    assert equal(trained(network), before)


@pytest.mark.parametrize(("spoil", "message"), SPOILED, ids=lambda value: getattr(value, "__name__", ""))
def test_spoiled_file_is_refused_by_its_name(make_network, small_backbone, tmp_path, spoil, message):
    state = make_network("dense", seed=1).state_dict()
    spoil(state)
    torch.save({"model": state}, tmp_path / "model.pt")
    with pytest.raises(DataError, match=rf"model\.pt'.*({message}|facts)"):
        load_checkpoint(make_network("dense"), tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"model\.pt'"):
        load_network(tmp_path / "model.pt", small_backbone)


@pytest.mark.parametrize("part", range(40))
def test_flipped_byte_is_refused_or_changes_nothing(make_network, tmp_path, part):
    source, network, path = make_network("dense", seed=1), make_network("dense"), tmp_path / "model.pt"
    save_adapters(source, path)
    content = bytearray(path.read_bytes())
    content[(2 * part + 1) * len(content) // 80] ^= 0x10
    path.write_bytes(content)
    try:
        load_checkpoint(network, path)
    except DataError:
        assert not equal(trained(network), trained(source))
    else:
        assert equal(trained(network), trained(source))


@pytest.mark.parametrize("kind", [torch.float16, torch.float64], ids=str)
def test_network_of_another_precision_takes_the_tensors(make_network, kind):
    source, network = make_network("dense", seed=1).to(kind), make_network("dense")
    network.load_state_dict(source.state_dict())
    assert equal(trained(network), {name: tensor.float() for name, tensor in trained(source).items()})


def test_checkpoint_of_other_settings_names_them(make_network):
    state = make_network("dense", adapt_text=False).state_dict()
    with pytest.raises(DataError, match=r"other settings: adapt_text False \(here True\)"):
        make_network("dense").load_state_dict(state)


def test_save_adapters_takes_what_is_wrapped(make_network, tmp_path):
    source, network = make_network("dense", seed=1), make_network("dense")
    save_adapters(torch.nn.Sequential(source), tmp_path / "new" / "model.pt")
    assert equal(trained(load_checkpoint(network, tmp_path / "new" / "model.pt")), trained(source))


def test_save_adapters_needs_a_network_of_this_package(tmp_path):
    with pytest.raises(DataError, match="Linear holds no network of this package"):
        save_adapters(torch.nn.Linear(2, 2), tmp_path / "model.pt")


def test_monai_mixes_no_two_checkpoints(make_network):
    """MONAI's CheckpointLoader with strict=False keeps the network's own tensor where the shape differs."""
    source, network = make_network("dense", adapt_text=False), make_network("dense")
    mixed, _, _ = copy_model_state(network, source.state_dict(), inplace=False)
    with pytest.raises(DataError, match="other settings"):
        network.load_state_dict(mixed)
