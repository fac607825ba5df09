"""The benchmark runs in its toy size, and measures only sides that give the same numbers."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark"
QUICK = ["--toy", "--repeats", "1"]


@pytest.fixture(scope="module")
def scripts():
    """The modules of the script by their short names."""
    sys.path.insert(0, str(SCRIPT))
    try:
        specification = importlib.util.spec_from_file_location("benchmark_command", SCRIPT / "__main__.py")
        command = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(command)
        names = ("bench", "sides", "network_cases", "loop_cases", "size_cases", "command_cases")
        yield SimpleNamespace(command=command, **{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(SCRIPT))


@pytest.fixture(scope="module")
def toy(scripts):
    return scripts.bench.Bench(toy=True, repeats=1)


@pytest.fixture(scope="module")
def both(scripts, toy):
    """Our network and the baseline."""
    return scripts.sides.build_ours(toy, "float32"), scripts.sides.build_baseline(toy)


def test_both_sides_give_the_same_numbers(scripts, toy, both):
    scripts.sides.require_same_numbers(toy, *both, "float32")


@pytest.mark.parametrize("name", ["cond_adapter.up.bias", "text_mlp_adapters.4.down.weight"])
def test_nothing_is_measured_where_the_sides_differ(scripts, toy, both, monkeypatch, name):
    monkeypatch.setattr(both[1].get_parameter(name), "data", both[1].get_parameter(name).data + 0.1)
    with pytest.raises(scripts.bench.SidesDifferError, match="The two sides differ"):
        scripts.sides.require_same_numbers(toy, *both, "float32")


def test_every_attention_of_the_baseline_is_eager(both):
    configs = [module.config for module in both[1].modules() if type(module).__name__ == "CLIPSegAttention"]
    assert len(configs) == 12 + 3
    assert {config._attn_implementation for config in configs} == {"eager"}
    assert {
        module.config._attn_implementation for module in both[0].backbone.modules() if hasattr(module, "config")
    } == {"sdpa"}


def test_the_baseline_runs_every_layer(both, scripts, toy):
    ran = []
    for layer in both[1].model.clip.vision_model.encoder.layers:
        layer.register_forward_hook(lambda module, *_: ran.append(module))
    scripts.sides.forward(both[1], scripts.sides.inputs(toy, 1))
    assert len(ran) == both[1].model.config.vision_config.num_hidden_layers == 6


@pytest.mark.parametrize(
    ("case", "units"),
    [
        ("prompts", ["CPU s", "wall s"]),
        ("training_loop", ["CPU ms", "CPU ms", "images/s"]),
        ("validation_loop", ["CPU ms", "CPU ms", "images/s"]),
        ("cached_bytes", ["MB", "MB"]),
        ("run_training", ["images/s"]),
        ("evaluation", ["CPU s"]),
    ],
)
def test_a_case_gives_its_rows(scripts, case, units, tmp_path):
    result = scripts.command.main([*QUICK, "--only", case, "--json", str(tmp_path / "numbers.json")])
    rows = result["rows"][case]
    assert [row["unit"] for row in rows] == units
    assert all(row["ours"] > 0 for row in rows)
    assert json.loads((tmp_path / "numbers.json").read_text()) == result


def test_only_the_chosen_methods_are_measured(scripts, monkeypatch):
    monkeypatch.setattr(scripts.network_cases, "_peak_apart", lambda *_: {"beyond": 1.0})
    result = scripts.command.main([*QUICK, "--only", "methods", "--methods", "coop"])
    assert [(row["what"].partition(":")[0], row["unit"]) for row in result["rows"]["methods"]] == [
        ("coop", unit) for unit in ("", "MB", "CPU s", "GiB")
    ]


def test_a_peak_is_that_of_the_step_alone(scripts, toy):
    def prepare():
        built = torch.ones(15, 2**20)
        return lambda: built + 1

    held = scripts.bench.peak_gib("cpu", prepare)
    assert held["beyond"] == pytest.approx(15 / 256, rel=0.1)


@pytest.mark.parametrize(("side", "network"), [("ours", "CLIPSegDenseAdapter"), ("baseline", "PublicDenseAdapter")])
def test_the_peak_of_a_side_is_that_of_its_training(scripts, toy, monkeypatch, side, network):
    trained = []
    monkeypatch.setattr(scripts.network_cases, "peak_gib", lambda device, prepare: prepare())
    monkeypatch.setattr(scripts.network_cases, "training_step", lambda bench, network, *_: trained.append(network))
    scripts.network_cases.peak(toy, "float32", side, {})
    assert [type(network).__name__ for network in trained] == [network]


def test_a_picture_and_a_volume_are_predicted(scripts, toy):
    cases = scripts.size_cases.predict_files(toy, "float32")
    assert [case["shape"] for case in cases] == ["32 x 32", "32 x 32 x 2"]
    assert all(case["seconds"] > 0 < case["ram"] for case in cases)


def test_after_the_budget_no_case_begins(scripts):
    result = scripts.command.main([*QUICK, "--only", "step", "prompts", "--budget", "0"])
    assert result["rows"] == {}
    assert result["not_measured"] == {"step float32": "the time was up", "prompts float32": "the time was up"}


def test_a_case_that_fails_is_named_and_the_others_are_measured(scripts, monkeypatch):
    def fail(bench, precision):
        raise RuntimeError("no memory")

    monkeypatch.setattr(scripts.network_cases, "prediction", fail)
    result = scripts.command.main([*QUICK, "--only", "prediction", "step"])
    assert list(result["rows"]) == ["step"]
    assert result["not_measured"] == {"prediction float32": "failed, RuntimeError: no memory"}


def test_a_task_runs_with_the_options_of_the_run(scripts, toy, monkeypatch):
    monkeypatch.setattr(scripts.network_cases, "peak", lambda bench, **arguments: [bench == toy, arguments])
    text = json.dumps(["peak", {"toy": True, "repeats": 1, "precisions": ["float32"]}, {"side": "ours"}])
    assert json.loads(scripts.command.run_task(text)) == [True, {"side": "ours"}]


def test_every_case_says_what_it_measures(scripts):
    lines = scripts.command.listed().splitlines()
    assert [line.split()[0] for line in lines] == list(scripts.command.CASES)
    assert all(line.endswith(".") for line in lines)


def test_where_it_was_measured_is_told(scripts):
    facts = scripts.command.machine.describe("cpu")
    assert {"processor", "cores", "torch", "date", "commit", "monai_vlsm"} <= facts.keys()
    assert facts["cores"] > 0
