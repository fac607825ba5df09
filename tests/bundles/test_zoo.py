"""What the MONAI model zoo, MONAI Label and MONAI's own commands ask of every bundle, and the rest does not show."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from configparser import ConfigParser as IniParser
from pathlib import Path

import pytest
import torch
from bundles.quick import BUNDLE, QUICK, ROOT
from monai.bundle import ckpt_export, download, load, run, verify_metadata
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS
from monai.bundle.workflows import ConfigWorkflow
from networks.installed import installed

from monai_vlsm.__main__ import main
from monai_vlsm.data import load_datalist
from monai_vlsm.data.sets import BUNDLES
from monai_vlsm.networks import METHODS, CLIPSegDenseAdapter, build_network, load_checkpoint
from monai_vlsm.networks.text import tokenize

EVERY_BUNDLE = pytest.mark.parametrize("name", sorted(BUNDLES))
TINY = {"backbone": "tiny", "image_size": 32, "device": "cpu"}


def config(name: str, kind: str) -> dict:
    return json.loads((ROOT / "bundles" / name / "configs" / f"{kind}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model() -> CLIPSegDenseAdapter:
    torch.manual_seed(0)
    return CLIPSegDenseAdapter("tiny").eval()


@pytest.fixture
def trained(bundle, model):
    def make(name: str) -> Path:
        root = bundle(name)
        (root / "models").mkdir()
        torch.save({"model": model.state_dict()}, root / "models" / "model.pt")
        return root

    return make


# The model zoo


@pytest.fixture(scope="module")
def schema(shared_folder, tmp_path_factory) -> str:
    pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    return str(shutil.copy(shared_folder / "schemas" / "meta_schema_20240725.json", tmp_path_factory.mktemp("schema")))


@EVERY_BUNDLE
def test_metadata_keep_to_the_schema(name, schema):
    verify_metadata(meta_file=str(ROOT / "bundles" / name / "configs" / "metadata.json"), filepath=schema)


def test_metadata_that_break_the_schema_are_found(schema, tmp_path):
    broken = tmp_path / "metadata.json"
    broken.write_text(json.dumps({**config("busi", "metadata"), "required_packages_version": "any"}))
    with pytest.raises(ValueError, match="'any' is not of type 'object'"):
        verify_metadata(meta_file=str(broken), filepath=schema)


def test_required_packages_have_exact_versions_and_this_one_is_among_them():
    metadata = config(BUNDLE, "metadata")
    versions = {key: value for key, value in metadata.items() if key.endswith("_version") and isinstance(value, str)}
    versions |= metadata["required_packages_version"]
    assert {"monai_version", "pytorch_version", "numpy_version", "transformers", "pytorch-ignite"} <= set(versions)
    assert not {name: text for name, text in versions.items() if not re.fullmatch(r"\d+(\.\d+)+(\.post\d+)?", text)}
    setup = IniParser()
    setup.read(ROOT / "setup.cfg")
    assert versions["monai-vlsm"] == metadata["version"] == setup["metadata"]["version"]


def test_image_and_pred_come_first_because_monai_label_takes_the_first():
    formats = config(BUNDLE, "metadata")["network_data_format"]
    assert next(iter(formats["inputs"])) == "image"
    assert next(iter(formats["outputs"])) == "pred"


@EVERY_BUNDLE
def test_the_name_is_none_that_monai_label_takes_for_another_task(name):
    assert not re.search("deepedit|deepgrow|detection|classification", name)


def test_all_code_comes_from_installed_packages():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "bundles" / BUNDLE / "configs").glob("*.json")]
    assert len(texts) == 6
    assert not [text for text in texts if re.search(r"\bscripts\b", text)]


def test_the_readme_says_how_torchscript_is_made_and_what_it_fixes():
    readme = (ROOT / "bundles" / BUNDLE / "docs" / "README.md").read_text(encoding="utf-8")
    assert re.search(
        r"TorchScript.*--use_trace True.*torch\.jit\.script.*cannot.*prompt is\s+baked in", readme, re.DOTALL
    )


def test_no_file_in_git_is_too_large_for_the_model_zoo():
    listed = subprocess.run(["git", "ls-files", "bundles"], capture_output=True, text=True, check=True, cwd=ROOT)
    files = [ROOT / line for line in listed.stdout.splitlines()]
    assert len(files) > 9 * len(BUNDLES)
    assert max(file.stat().st_size for file in files) < 25 * 2**20


# The model


@EVERY_BUNDLE
def test_the_network_is_built_without_a_network_connection(name, parse, bundle, monkeypatch):
    def refuse(*arguments):
        raise AssertionError(f"asked for {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    network = parse(bundle(name), "inference", backbone="tiny").get_parsed_content("network_def")
    expected = tokenize(network.tokenizer, BUNDLES[name].prompt)
    torch.testing.assert_close(network.state_dict()["default_input_ids"], expected["input_ids"])
    torch.testing.assert_close(network.state_dict()["default_attention_mask"], expected["attention_mask"])


def test_the_archive_is_loaded_by_monai_with_the_weights_that_were_packed(trained, model, tmp_path):
    main(["package", str(trained(BUNDLE)), "--backbone", "tiny", "--out", str(tmp_path / "packed.zip")])
    here = tmp_path / "downloaded"
    download(name=BUNDLE, bundle_dir=str(here), url=(tmp_path / "packed.zip").as_uri(), progress=False)
    loaded = load(name=BUNDLE, bundle_dir=str(here), key_in_ckpt="model", device="cpu", workflow_type="inference")
    saved = torch.load(here / BUNDLE / "models" / "model.pt", weights_only=True)["model"]
    assert loaded.load_state_dict(saved, strict=True) == ([], [])
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        tokens = tokenize(model.tokenizer, "cyst")
        torch.testing.assert_close(loaded(image, **tokens), model(image, **tokens))


VALUES = ("bundle_name", "images", "backbone", "prompt")


@EVERY_BUNDLE
def test_inference_of_two_bundles_differs_in_a_few_values_only(name):
    own, other = config(name, "inference"), config("busi", "inference")
    assert list(own) == list(other)
    assert {key for key in own if own[key] != other[key]} <= set(VALUES)
    assert all(isinstance(own[key], str) and own[key][0] not in "$@%" for key in VALUES)


@pytest.mark.parametrize("name", ["busi", "phantom"])  # 3 s each; the test above stands for the others
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_torchscript_by_trace_gives_what_the_network_gives(name, trained, parse):
    root = trained(name)
    ckpt_export(
        net_id="network_def",
        filepath=str(root / "models" / "model.ts"),
        ckpt_file=str(root / "models" / "model.pt"),
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "inference.json"),
        key_in_ckpt="model",
        use_trace=True,
        input_shape=[1, 3, 32, 32],
        backbone="tiny",
    )
    network = parse(root, "inference", backbone="tiny").get_parsed_content("network_def")
    network = load_checkpoint(network, root / "models" / "model.pt").eval()
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        traced = torch.jit.load(root / "models" / "model.ts")(image)
        torch.testing.assert_close(traced, network(image), rtol=0, atol=1e-4)


# MONAI Label and tracking


@pytest.mark.parametrize("method", installed(METHODS))
def test_monai_label_gets_the_network_that_the_checkpoint_is_of(method, bundle, parse):
    """Its server builds what inference.json says, and loads the file loosely: it passes over what does not fit."""
    root = bundle(BUNDLE)
    (root / "models").mkdir()
    torch.save({"model": build_network(method, "tiny").state_dict()}, root / "models" / "model.pt")
    network = parse(root, "inference", backbone="tiny").get_parsed_content("network_def")
    saved = torch.load(root / "models" / "model.pt", weights_only=True)["model"]
    network.load_state_dict(saved, strict=False)
    loaded = network.state_dict()
    assert network.method == method
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(tensor, saved[name]) for name, tensor in loaded.items())


def test_clients_are_shown_a_field_for_the_prompt(parse, bundle):
    shown = parse(bundle(BUNDLE), "inference", **TINY).get_parsed_content("displayable_configs")
    assert shown == {"prompt": BUNDLES[BUNDLE].prompt}


@pytest.mark.parametrize("request_data", [{}, {"prompt": "a dark lesion"}], ids=["no prompt", "a prompt"])
def test_the_prompt_of_a_request_reaches_the_inferer_with_the_image(request_data, parse, bundle, phantom):
    preprocessing = parse(bundle(BUNDLE), "inference", **TINY).get_parsed_content("preprocessing")
    item = preprocessing({"image": load_datalist(phantom, "test")[0]["image"], **request_data})
    assert item["image"].meta["prompt"] == request_data.get("prompt", BUNDLES[BUNDLE].prompt)


def test_training_has_no_displayable_configs_which_clients_may_leave_out():
    assert "displayable_configs" not in config(BUNDLE, "train")


def test_training_takes_images_and_masks_without_prompts(parse, bundle, phantom):
    entry = load_datalist(phantom, "training")[0]
    data = [{key: entry[key] for key in ("image", "label")}]
    options = {**TINY, "train#dataset#data": data, "validate#dataset#data": data, "dataset_dir": "nowhere"}
    parser = parse(bundle(BUNDLE), "train", **options)
    expected = tokenize(parser.get_parsed_content("network_def").tokenizer, BUNDLES[BUNDLE].prompt)["input_ids"]
    for part in ("train", "validate"):
        (item,) = parser.get_parsed_content(f"{part}#dataset")
        assert item["image"].shape == (3, 32, 32)
        torch.testing.assert_close(item["input_ids"], expected[0])


def test_the_best_checkpoint_is_the_network_alone_where_monai_label_looks_for_it():
    saver, trainer = config(BUNDLE, "train")["best_model"], config(BUNDLE, "train")["train"]["trainer"]
    assert saver["save_dir"] == "$os.path.join(@bundle_root, 'models')"
    assert saver["key_metric_filename"] == "model.pt"
    assert saver["save_dict"] == {"model": "@network"}
    assert trainer["network"] == "@network"


def test_masks_are_whole_numbers_when_they_are_saved_and_saved_before_they_are_squeezed():
    steps = [step["_target_"].rsplit(".")[-1] for step in config(BUNDLE, "inference")["postprocessing"]["transforms"]]
    assert steps[-4:] == ["AsDiscreted", "EmptyAbsentd", "SaveImageMaskd", "SqueezePictured"]


def test_tracking_finds_the_handlers_of_trainer_and_validator(parse, bundle):
    parser = parse(bundle(BUNDLE), "train", save_execute_config=False)
    ConfigWorkflow.patch_bundle_tracking(parser, DEFAULT_MLFLOW_SETTINGS)
    for engine, handlers in (("train#trainer#train", "train"), ("validate#evaluator#val", "validate")):
        assert parser[f"{handlers}#handlers"][-1]["_target_"] == "MLFlowHandler"
        assert parser[f"{engine}_handlers"] == f"@{handlers}#handlers"


def test_training_in_another_folder_writes_nothing_there(bundle, phantom, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    root = bundle("phantom")
    train = str(root / "configs" / "train.json")
    run(run_id="training", config_file=train, bundle_root=str(root), dataset_dir=phantom, **QUICK)
    assert (root / "models" / "model.pt").is_file()
    assert not list((tmp_path / "elsewhere").iterdir())
