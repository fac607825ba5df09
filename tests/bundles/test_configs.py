"""Every bundle is complete, in step with its template, and follows the rules of MONAI and the model zoo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bundles.quick import BUNDLE, QUICK, ROOT
from monai.bundle import create_workflow, verify_net_in_out

from monai_vlsm.bundle.released import is_plain
from monai_vlsm.data.sets import BUNDLES as DATA_SETS
from monai_vlsm.networks import CLIPSegDenseAdapter

BUNDLES = sorted(DATA_SETS)


def test_there_are_bundles_to_check():
    assert {"busi", "phantom"} <= set(BUNDLES)
    assert {path.name for path in (ROOT / "bundles").iterdir() if path.is_dir()} == set(BUNDLES)


def test_bundles_are_in_step_with_the_template():
    command = [sys.executable, str(ROOT / "scripts" / "bundles" / "make.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize(
    "file", ["LICENSE", "docs/README.md", "docs/data_license.txt", "configs/metadata.json", "configs/logging.conf"]
)
def test_a_bundle_has_the_files_of_the_model_zoo(file):
    assert (ROOT / "bundles" / BUNDLE / file).stat().st_size > 0


@pytest.mark.parametrize("name", BUNDLES)
def test_two_bundles_differ_in_their_first_lines_only(name):
    reference, other = (
        (ROOT / "bundles" / bundle / "configs" / "train.json").read_text().splitlines() for bundle in ("busi", name)
    )
    differing = [number for number, pair in enumerate(zip(reference, other, strict=True)) if pair[0] != pair[1]]
    assert max(differing, default=0) < 12


def test_training_and_run_are_one_so_that_a_client_without_run_id_trains_once():
    config = json.loads((ROOT / "bundles" / BUNDLE / "configs" / "train.json").read_text())
    assert config["training"] == "@run"
    assert isinstance(config["run"], list)


def test_training_handlers_are_literal_dictionaries_as_monai_label_needs_them():
    config = json.loads((ROOT / "bundles" / BUNDLE / "configs" / "train.json").read_text())
    handlers = config["train"]["handlers"]
    assert handlers
    assert all(isinstance(handler, dict) for handler in handlers)


@pytest.mark.parametrize("name", BUNDLES)
def test_labels_are_named_and_none_has_value_0(name):
    metadata = json.loads((ROOT / "bundles" / name / "configs" / "metadata.json").read_text())
    channels = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert channels == {"0": "background", "1": DATA_SETS[name].target}
    assert metadata["version"] in metadata["changelog"]


@pytest.mark.parametrize("kind", ["train", "inference"])
def test_all_required_properties_are_there(kind, phantom, bundle, configs):
    root = bundle(BUNDLE)
    (root / "models").mkdir()
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, root / "models" / "model.pt")
    workflow = create_workflow(
        config_file=configs(root, kind)[0],
        workflow_type=kind,
        bundle_root=str(root),
        dataset_dir=phantom,
        images=phantom + "/images",
        **QUICK,
    )
    assert workflow.check_properties() == []


def test_the_network_takes_an_image_alone_as_the_model_zoo_calls_it(bundle):
    root = bundle(BUNDLE)
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "inference.json"),
        device="cpu",
        n=2,
        p=2,
        backbone="tiny",
    )


def test_the_loss_gets_logits_once(parse, bundle):
    loss = parse(bundle(BUNDLE), "train").get_parsed_content("loss")
    confident_and_right = torch.full((1, 1, 8, 8), 20.0)
    assert loss(confident_and_right, torch.ones(1, 1, 8, 8)) < 1e-3


@pytest.mark.parametrize("name", BUNDLES)
def test_no_config_names_a_folder_of_somebody(name):
    files = list(Path(ROOT / "bundles" / name / "configs").iterdir())
    assert files
    assert not [file for file in files if "/home/" in file.read_text()]


# What a person reads


def leaves(config, key=""):
    pairs = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for name, value in pairs:
        yield from leaves(value, f"{key}#{name}" if key else str(name))
    if not isinstance(config, dict | list):
        yield key, config


def train_config() -> dict:
    return json.loads((ROOT / "bundles" / BUNDLE / "configs" / "train.json").read_text())


def test_values_come_before_all_that_is_evaluated():
    keys = list(train_config())
    evaluated = [key for key, value in train_config().items() if not is_plain(value)]
    assert keys.index("cache") < keys.index(evaluated[0]) < 45
    assert not [value for value in list(train_config().values())[:30] if str(value).startswith(("$", "@", "%"))]


def test_every_number_is_a_value_at_the_top():
    numbers = {
        key: value
        for key, value in leaves(train_config())
        if "#" in key and isinstance(value, int | float) and not isinstance(value, bool)
    }
    assert numbers == {}


@pytest.mark.parametrize("kind", ["train", "evaluate", "multi_gpu_train", "inference"])
def test_reasons_stand_in_components_which_monai_does_not_hand_them_to(kind):
    def components(config):
        if isinstance(config, dict):
            yield config
        for value in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
            yield from components(value)

    config = json.loads((ROOT / "bundles" / BUNDLE / "configs" / f"{kind}.json").read_text())
    described = [part for part in components(config) if "_desc_" in part and part is not config]
    assert len(described) >= (12 if kind == "train" else 1)
    assert all("_target_" in part for part in described)


# Methods


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("busi", {}, (1e-3, 1e-3)),
        ("busi", {"method": "shallow"}, (3e-4, 1e-3)),
        ("busi", {"method": "shallow", "learning_rate": 0.01, "weight_decay": 0.0}, (0.01, 0.0)),
        ("busi", {"method": "coop"}, (2e-4, 0.0)),
        ("phantom", {}, (2e-3, 1e-3)),
        ("phantom", {"method": "shallow"}, (2e-3, 1e-3)),
    ],
)
def test_learning_rate_and_weight_decay_are_those_of_the_method_or_given(name, options, expected, parse, bundle):
    optimizer = parse(bundle(name), "train", backbone="tiny", **options).get_parsed_content("optimizer")
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0.3, 1.5, 1.0)),
        ({"method": "coop"}, (0.2, 1.0, 0.2)),
        ({"method": "coop", "lr_factor": 0.5, "lambda_dice": 2.0, "lambda_ce": 0}, (0.5, 2.0, 0)),
    ],
    ids=str,
)
def test_schedule_and_loss_are_those_of_the_method_or_given(options, expected, parse, bundle):
    parser = parse(bundle(BUNDLE), "train", backbone="tiny", **options)
    loss, schedule = parser.get_parsed_content("loss"), parser.get_parsed_content("lr_scheduler")
    assert (schedule.factor, loss.lambda_dice, loss.lambda_ce) == expected


@pytest.mark.parametrize(
    ("method", "options"),
    [("maple", {"contexts": 3, "context_depth": 2}), ("lora", {"lora_rank": 3, "lora_alpha": 5, "lora_dropout": 0.1})],
)
def test_settings_of_methods_reach_the_network(method, options, parse, bundle):
    parser = parse(bundle(BUNDLE), "train", backbone="tiny", method=method, **options)
    settings = parser.get_parsed_content("network_def").settings
    assert {name: settings[name] for name in options} == options


def test_network_without_text_is_asked_for_nothing_absent(parse, bundle, phantom):
    root, values = bundle(BUNDLE), {"backbone": "tiny", "dataset_dir": phantom, "negative_fraction": 0.5}
    parsed = [parse(root, "train", method=method, **values) for method in ("unet", "decoder")]
    first = [parser.get_parsed_content("train#preprocessing").transforms[0] for parser in parsed]
    assert [type(transform).__name__ for transform in first] == ["SelectPromptd", "SelectPromptOrAbsentd"]


def test_settings_of_adapters_reach_the_network(parse, bundle):
    options = {"bottleneck": 3, "cond_bottleneck": 5, "adapt_text": False}
    state = parse(bundle(BUNDLE), "train", backbone="tiny", **options).get_parsed_content("network_def").state_dict()
    assert state["vision_mlp_adapters.0.down.weight"].shape[0] == 3
    assert state["cond_adapter.down.weight"].shape[0] == 5
    assert not [name for name in state if name.startswith("text_")]


# The folder of a bundle


@pytest.mark.parametrize("kind", ["train", "inference"])
def test_the_root_is_the_folder_of_the_configuration_wherever_it_is_run(kind, bundle, configs, monkeypatch, tmp_path):
    root = bundle(BUNDLE)
    (tmp_path / "elsewhere" / "bundles" / BUNDLE).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    workflow = create_workflow(config_file=configs(root, kind)[0], workflow_type=kind, backbone="tiny")
    assert os.path.samefile(workflow.bundle_root, root)
