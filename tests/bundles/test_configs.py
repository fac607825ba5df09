"""Every bundle is complete, in step with its template, and follows the rules of MONAI and the model zoo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bundles.quick import QUICK, ROOT
from monai.bundle import create_workflow, verify_net_in_out

from monai_vlsm.data.sets import BUNDLES as DATA_SETS
from monai_vlsm.networks import CLIPSegDenseAdapter

BUNDLES = sorted(DATA_SETS)


def test_there_are_bundles_to_check():
    assert {"busi", "phantom"} <= set(BUNDLES)
    assert {path.name for path in (ROOT / "bundles").iterdir() if path.is_dir()} == set(BUNDLES)


def test_bundles_are_in_step_with_the_template():
    command = [sys.executable, str(ROOT / "scripts" / "bundles" / "make.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize(
    "file", ["LICENSE", "docs/README.md", "docs/data_license.txt", "configs/metadata.json", "configs/logging.conf"]
)
def test_a_bundle_has_the_files_of_the_model_zoo(name, file):
    assert (ROOT / "bundles" / name / file).stat().st_size > 0


@pytest.mark.parametrize("name", BUNDLES)
def test_two_bundles_differ_in_their_first_lines_only(name):
    reference, other = (
        (ROOT / "bundles" / bundle / "configs" / "train.json").read_text().splitlines() for bundle in ("busi", name)
    )
    differing = [number for number, pair in enumerate(zip(reference, other, strict=True)) if pair[0] != pair[1]]
    assert max(differing, default=0) < 20


@pytest.mark.parametrize("name", BUNDLES)
def test_training_and_run_are_one_so_that_a_client_without_run_id_trains_once(name):
    config = json.loads((ROOT / "bundles" / name / "configs" / "train.json").read_text())
    assert config["training"] == "@run"
    assert isinstance(config["run"], list)


@pytest.mark.parametrize("name", BUNDLES)
def test_training_handlers_are_literal_dictionaries_as_monai_label_needs_them(name):
    config = json.loads((ROOT / "bundles" / name / "configs" / "train.json").read_text())
    handlers = config["train"]["handlers"]
    assert handlers
    assert all(isinstance(handler, dict) for handler in handlers)


@pytest.mark.parametrize("name", BUNDLES)
def test_labels_are_named_and_none_has_value_0(name):
    metadata = json.loads((ROOT / "bundles" / name / "configs" / "metadata.json").read_text())
    channels = metadata["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert channels == {"0": "background", "1": DATA_SETS[name].target}
    assert metadata["version"] in metadata["changelog"]


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("kind", ["train", "inference"])
def test_all_required_properties_are_there(name, kind, phantom, bundle, configs):
    root = bundle(name)
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


@pytest.mark.parametrize("name", BUNDLES)
def test_the_network_takes_an_image_alone_as_the_model_zoo_calls_it(name, bundle):
    root = bundle(name)
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "inference.json"),
        device="cpu",
        n=2,
        p=2,
        backbone="tiny",
    )


@pytest.mark.parametrize("name", BUNDLES)
def test_the_loss_gets_logits_once(name, parse, bundle):
    loss = parse(bundle(name), "train").get_parsed_content("loss")
    confident_and_right = torch.full((1, 1, 8, 8), 20.0)
    assert loss(confident_and_right, torch.ones(1, 1, 8, 8)) < 1e-3


@pytest.mark.parametrize("name", BUNDLES)
def test_no_config_names_a_folder_of_somebody(name):
    files = list(Path(ROOT / "bundles" / name / "configs").iterdir())
    assert files
    assert not [file for file in files if "/home/" in file.read_text()]
