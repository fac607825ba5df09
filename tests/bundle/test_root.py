"""Tests of finding the folder of the bundle that is being run."""

import json
import os
import sys
from types import ModuleType

import pytest
import torch

from monai_vlsm.bundle.root import bundle_root
from monai_vlsm.errors import find_message


@pytest.mark.parametrize(("folder", "expected"), [("bundles/busi", os.path.join("bundles", "busi")), ("other", ".")])
def test_where_monai_runs_no_configuration_it_is_found_by_name_or_is_here(tmp_path, monkeypatch, folder, expected):
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert bundle_root("busi") == expected


def test_a_configuration_outside_of_a_bundle_does_not_make_its_folder_one(tmp_path, monkeypatch):
    from monai.bundle import ConfigWorkflow

    (tmp_path / "mine").mkdir()
    (tmp_path / "bundles" / "busi").mkdir(parents=True)
    config = tmp_path / "mine" / "train.json"
    imports = ["$import monai_vlsm", "$import monai_vlsm.bundle.root"]
    config.write_text(json.dumps({"imports": imports, "run": ["$monai_vlsm.bundle.root.bundle_root('busi')"]}))
    monkeypatch.chdir(tmp_path)
    workflow = ConfigWorkflow(str(config), meta_file=None, logging_file=False)
    workflow.initialize()
    assert workflow.run() == [os.path.join("bundles", "busi")]


def test_the_bundle_that_monai_deploy_runs_is_the_one_whatever_its_name_and_the_working_directory(
    tmp_path, monkeypatch
):
    class MonaiBundleInferenceOperator:
        bundle_path = tmp_path / "models" / "renamed"

        def compute(self):
            return bundle_root("busi")

    module = ModuleType("monai.deploy.operators.monai_bundle_inference_operator")
    module.MonaiBundleInferenceOperator = MonaiBundleInferenceOperator
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    assert MonaiBundleInferenceOperator().compute() == str(tmp_path / "models" / "renamed")
    assert bundle_root("busi") == "."


@pytest.fixture
def running(bundle):
    """Return a function that begins a run of a configuration with values as from the command line."""

    def begin(*names, **given):
        from monai.bundle import ConfigWorkflow

        files = [str(bundle / "configs" / f"{name}.json") for name in names]
        workflow = ConfigWorkflow(files, logging_file=False, initialize=CHECK, **given)
        return workflow.initialize()

    return begin


CHECK = ["$monai_vlsm.bundle.root.require_usable_values()"]
WRONG = [
    *(("batch_size", value, "from 1 to 4,096") for value in (0, -1, "many", None)),
    *(("learning_rate", value, "a number") for value in ("abc", -1.0)),
    ("max_epochs", 2.5, "a whole number"),
    ("threshold", 7, "from 0 to 1"),
    ("amp", False, "did you mean 'precision'"),
    ("precision", "half", "'bfloat16' or"),
    ("device", "gpu", "'cuda'"),
    ("prompt", ["a", "b"], "text"),
    ("max_epoch", 5, "did you mean 'max_epochs'"),
    ("learningrate", 5, "did you mean 'learning_rate'"),
]


@pytest.mark.parametrize(("key", "value", "expected"), WRONG, ids=str)
def test_a_value_that_a_training_cannot_use_is_named_before_it_begins(running, key, value, expected):
    with pytest.raises(RuntimeError) as failure:
        running("train", **{key: value})
    message = find_message(failure.value)
    assert repr(key) in message
    assert expected in message


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (["train"], {}),
        (["train", "evaluate"], {"output_dir": "/elsewhere", "checkpoint": "/elsewhere/model.pt"}),
        (["train", "multi_gpu_train"], {"learning_rate": None, "image_size": 32}),
        (["inference"], {"images": ["/a.png", "/b.png"], "overlays": 0}),
        (["train"], {"train#trainer#max_epochs": 0, "device": torch.device("cpu")}),
        (["train"], {"max_epoch": 5, "max_epochs": "@max_epoch"}),
    ],
    ids=str,
)
def test_what_a_run_can_use_it_is_given(running, names, given):
    assert running(*names, **given) == [None]
