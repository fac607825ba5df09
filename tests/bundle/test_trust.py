"""A bundle of a stranger runs no code unless it is trusted. Every hostile file here is shown to be hostile first."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from logging.config import fileConfig
from pathlib import Path

import pytest
import torch
from bundle.changes import BUNDLES as BUNDLES_FOLDER
from bundle.changes import edit
from monai.bundle import ConfigParser

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import read_without_foreign_code, refuse_foreign_code
from monai_vlsm.data.sets import BUNDLES
from monai_vlsm.errors import DataError
from monai_vlsm.networks import load_backbone
from monai_vlsm.networks.backbone import TINY_FOLDER
from monai_vlsm.predictor import Predictor


@pytest.fixture
def module(ran, tmp_path, monkeypatch) -> str:
    """The name of a module that runs its code when it is imported."""
    (tmp_path / "hostile_module.py").write_text(f"import pathlib\npathlib.Path({str(ran)!r}).touch()\nNetwork = dict\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "hostile_module"
    sys.modules.pop("hostile_module", None)


def evaluate(path: Path, key: str) -> None:
    """Do what MONAI does with a key of a configuration; errors that come after hostile code do not matter."""
    parser = ConfigParser()
    with contextlib.suppress(Exception):
        parser.read_config(path)
        parser.get_parsed_content(key)


HOSTILE_EXPRESSIONS = {
    "new key": ("hostile", lambda config, code: config.update(hostile=code)),
    "known key": ("bundle_name", lambda config, code: config.update(bundle_name=code)),
    "another expression": ("device", lambda config, code: config.update(device=code)),
    "nested key": ("network_def", lambda config, code: config["network_def"].update(bottleneck=code)),
    "new nested key": ("network_def", lambda config, code: config["network_def"].update(_requires_=[code])),
    "in a list": ("images", lambda config, code: config.update(images=["a.png", code])),
    "in a list in a list": ("images", lambda config, code: config.update(images=[["a.png", [code]]])),
    "longer list": ("initialize", lambda config, code: config["initialize"].append(code)),
    "dictionary for a value": ("prompt", lambda config, code: config.update(prompt={"text": code})),
    "override": ("network_def", lambda config, code: config.update({"network_def#backbone": code})),
    "addition": ("initialize", lambda config, code: config.update({"+initialize": [code]})),
    "in a transform": (
        "preprocessing",
        lambda config, code: config["preprocessing"]["transforms"][0].update(keys=code),
    ),
}


@pytest.mark.parametrize("case", HOSTILE_EXPRESSIONS)
def test_an_unknown_expression_is_refused_before_it_is_run(bundle, expression, ran, case):
    key, change = HOSTILE_EXPRESSIONS[case]
    path = edit(bundle, lambda config: change(config, expression))
    with pytest.raises(DataError, match="pathlib"):
        Predictor.from_bundle(bundle)
    assert not ran.exists()
    evaluate(path, key)
    assert ran.exists(), "the test shows nothing: the expression is not hostile"


HOSTILE_IMPORTS = {
    "more imports": lambda config, module: config["imports"].append(f"$import {module}"),
    "another import": lambda config, module: config["imports"].__setitem__(0, f"$import {module} as os"),
    "import elsewhere": lambda config, module: config.update(prompt=f"$from {module} import Network"),
    "another target": lambda config, module: config["network_def"].update(_target_=f"{module}.Network"),
    "target for a value": lambda config, module: config.update(backbone={"_target_": f"{module}.Network"}),
}


@pytest.mark.parametrize("case", HOSTILE_IMPORTS)
def test_an_unknown_import_or_target_is_refused_before_it_is_run(bundle, module, ran, case):
    path = edit(bundle, lambda config: HOSTILE_IMPORTS[case](config, module))
    with pytest.raises(DataError, match=module):
        Predictor.from_bundle(bundle)
    assert not ran.exists()
    evaluate(path, "network_def")
    assert ran.exists(), "the test shows nothing: the import is not hostile"


@pytest.mark.parametrize("key", ["prompt", "network_def"])
def test_a_macro_into_another_file_is_refused(bundle, expression, ran, key):
    other = bundle / "configs" / "other.json"
    other.write_text(json.dumps({key: expression}))
    path = edit(bundle, lambda config: config.update({key: f"%{other}#{key}"}))
    with pytest.raises(DataError, match=f"{key!r} is '%"):
        Predictor.from_bundle(bundle)
    assert not ran.exists()
    evaluate(path, key)
    assert ran.exists(), "the test shows nothing: the macro is not hostile"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda config: config.update(prompt="@network"), "'prompt' is '@network'"),
        (lambda config: config.pop("prompt"), "'prompt' is missing"),
        (lambda config: config["run"].clear(), "'run#0' is missing"),
        (lambda config: config.update(network_def="dense"), "'network_def' is 'dense'"),
        (lambda config: config["network_def"].update(_disabled_=True), "'network_def#_disabled_' is True"),
    ],
    ids=["reference", "missing key", "shorter list", "value for a dictionary", "special key"],
)
def test_another_structure_is_refused_by_its_first_key(bundle, change, named):
    edit(bundle, change)
    with pytest.raises(DataError) as refused:
        Predictor.from_bundle(bundle)
    assert named in str(refused.value)
    assert "trust=True" in str(refused.value)


@pytest.mark.parametrize("content", ["", "[1]", "[" * 100_000], ids=["empty", "list", "too deep"])
def test_a_file_that_is_no_configuration_is_refused(bundle, content):
    (bundle / "configs" / "inference.json").write_text(content)
    with pytest.raises(DataError, match=r"inference\.json"):
        Predictor.from_bundle(bundle)


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_bundles_of_this_package_are_known(name):
    refuse_foreign_code(BUNDLES_FOLDER / name)
    assert read_without_foreign_code(BUNDLES_FOLDER / name / "configs" / "train.json")["bundle_name"] == name


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "costs 5 $, 50 % @ home #1", "threshold": 0.3, "overlays": 0},
        {"device": "cpu", "amp": False, "image_size": 32, "bundle_root": "elsewhere", "images": ["a.png", "b.png"]},
    ],
    ids=["other values", "values for expressions"],
)
def test_values_may_differ(bundle, values):
    refuse_foreign_code(edit(bundle, lambda config: config.update(values)).parents[1])


def test_a_trusted_bundle_is_run(trained, expression, ran):
    edit(trained, lambda config: config["network_def"].update(_requires_=[expression]))
    Predictor.from_bundle(trained, device="cpu", trust=True)
    assert ran.exists()


def test_predict_refuses_before_it_runs_anything(trained, expression, ran, tmp_path):
    edit(trained, lambda config: config["initialize"].append(expression))
    with pytest.raises(DataError, match="initialize#3"):
        main(["predict", str(tmp_path), "--bundle", str(trained)])
    assert not ran.exists()


def test_imports_in_metadata_are_refused(bundle, module, ran):
    edit(bundle, lambda metadata: metadata.update(task=f"$import {module}"), "metadata")
    with pytest.raises(DataError, match=r"metadata\.json.*'task' is '\$import"):
        refuse_foreign_code(bundle)
    assert not ran.exists()
    parser = ConfigParser({"prompt": "lesion"})
    parser.read_meta(bundle / "configs" / "metadata.json")
    parser.get_parsed_content("prompt")
    assert ran.exists(), "the test shows nothing: MONAI does not run the import"


def test_a_logging_configuration_that_writes_a_file_is_refused(bundle, ran):
    path = bundle / "configs" / "logging.conf"
    text = path.read_text().replace("class=StreamHandler", "class=FileHandler")
    path.write_text(text.replace("args=(sys.stdout,)", f"args=({str(ran)!r},)"))
    with pytest.raises(DataError, match=r"logging\.conf.*its text is another"):
        refuse_foreign_code(bundle)
    assert not ran.exists()
    fileConfig(path, disable_existing_loggers=False)
    assert ran.exists(), "the test shows nothing: the handler opens no file"
    fileConfig(BUNDLES_FOLDER / "phantom" / "configs" / "logging.conf", disable_existing_loggers=False)


def test_line_ends_and_absence_of_the_logging_configuration_do_not_matter(bundle):
    path = bundle / "configs" / "logging.conf"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    refuse_foreign_code(bundle)
    path.unlink()
    refuse_foreign_code(bundle)


@pytest.mark.parametrize("name", ["nibabel.py", "itk/__init__.py", "models/PIL.pyc", "torch.abi3.so"])
def test_python_modules_in_the_folder_are_refused(bundle, name):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).touch()
    with pytest.raises(DataError, match="could be code that Python finds"):
        refuse_foreign_code(bundle)


class Hostile:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def write_hostile(path: Path, ran: Path) -> None:
    torch.save({"model": Hostile(ran)}, path)
    torch.load(path, weights_only=False)
    assert ran.exists(), "the test shows nothing: the file is not hostile"
    ran.unlink()


def test_backbone_weights_that_hold_code_are_refused_before_it_is_run(tmp_path, ran):
    folder = shutil.copytree(TINY_FOLDER, tmp_path / "backbone", ignore=shutil.ignore_patterns("*.safetensors"))
    write_hostile(folder / "pytorch_model.bin", ran)
    with pytest.raises(DataError, match="more than tensors"):
        load_backbone(str(folder))
    assert not ran.exists()
