"""Compiled where that is possible, and the same without where it is not."""

import copy
import logging

import pytest
import torch

from monai_vlsm.errors import DataError
from monai_vlsm.networks import build_network, compiling


@pytest.fixture
def compiled_with(monkeypatch):
    """Let a function stand for what torch.compile returns; the compiler itself takes a minute."""

    def replace(compiled):
        monkeypatch.setattr(compiling, "_compiled", lambda part: lambda *inputs: compiled(part, *inputs))

    return replace


def test_what_is_compiled_are_both_encoders(make_network, batch, compiled_with):
    network, parts = make_network("dense"), []
    compiled_with(lambda part, *inputs: parts.append(part.__name__) or part(*inputs))
    expected = network(**batch)
    assert parts == []
    assert torch.equal(network.set_compiling(True)(**batch), expected)
    assert parts == ["_run_vision_layers", "_embed_text"]


def test_a_compiler_that_fails_is_named_once_and_the_network_runs_on(make_network, batch, compiled_with, caplog):
    def fail(part, *inputs):
        raise RuntimeError("no C compiler found\nand more")

    compiled_with(fail)
    network = make_network("dense")
    expected = network(**batch)
    with caplog.at_level(logging.WARNING, "monai_vlsm"):
        results = [network.set_compiling(True)(**batch), network(**batch)]
    assert all(torch.equal(result, expected) for result in results)
    assert [record.message for record in caplog.records] == [
        "The network runs without being compiled: no C compiler found"
    ]


def test_wrong_inputs_are_told_as_without_a_compiler(make_network, batch, compiled_with):
    compiled_with(lambda part, *inputs: part(*inputs))
    with pytest.raises(DataError, match="multiples of 16"):
        make_network("dense").set_compiling(True)(torch.randn(1, 3, 60, 64))


@pytest.mark.parametrize(
    ("choice", "device", "has_compiler", "expected"),
    [
        (True, "cpu", False, True),
        (False, "cuda", True, False),
        ("auto", "cpu", True, False),
        ("auto", "cuda", True, True),
        ("auto", "cuda", False, False),
    ],
)
def test_auto_compiles_for_gpus_that_have_a_compiler(monkeypatch, choice, device, has_compiler, expected):
    monkeypatch.setattr(compiling, "has_triton", lambda: has_compiler)
    assert compiling.wants_compiling(choice, torch.device(device)) is expected


@pytest.mark.parametrize("wrong", ["yes", None, 2, ""])
def test_another_choice_is_refused(reading_backbone, wrong):
    with pytest.raises(DataError, match="compile must be true, false or 'auto'"):
        build_network("dense", reading_backbone, compile=wrong)


def test_a_copy_and_a_checkpoint_do_not_depend_on_it(make_network, batch, compiled_with):
    compiled_with(lambda part, *inputs: part(*inputs))
    network = make_network("dense").set_compiling(True)
    copied = copy.deepcopy(network)
    assert copied.compiling is True
    assert torch.equal(copied(**batch), network(**batch))
    make_network("dense", seed=1).load_state_dict(network.state_dict())
