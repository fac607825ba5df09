"""The folder of an app: which bundles it takes, and what it does with their models."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.monai_label.app_folder import add_bundle, server_command
from monai_vlsm.networks import load_backbone


def model_of(folder):
    return torch.load(folder / "models" / "model.pt", weights_only=True)["model"]


def test_a_trained_bundle_is_copied_with_its_model(bundle, tmp_path):
    name, done = add_bundle(tmp_path, str(bundle), backbone="tiny")
    assert (name, "UNTRAINED" in done) == ("busi", False)
    copied = model_of(tmp_path / "model" / "busi")
    assert all(torch.equal(tensor, copied[key]) for key, tensor in model_of(bundle).items())


def test_the_backbone_is_written_into_the_copy_only(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    for root, expected in ((tmp_path / "model" / "busi", "tiny"), (bundle, "CIDAS/clipseg-rd64-refined")):
        for name in ("train", "inference"):
            assert json.loads((root / "configs" / f"{name}.json").read_text())["backbone"] == expected


def test_a_copy_that_has_learned_is_kept(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    path = tmp_path / "model" / "busi" / "models" / "model.pt"
    learned = {
        "model": {
            name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in model_of(bundle).items()
        }
    }
    torch.save(learned, path)
    _, done = add_bundle(tmp_path, str(bundle), backbone="tiny")
    assert "stays as it is" in done
    kept = model_of(tmp_path / "model" / "busi")
    assert all(torch.equal(tensor, kept[name]) for name, tensor in learned["model"].items())


def test_a_bundle_without_model_is_refused_with_both_ways_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError) as error:
        add_bundle(tmp_path, "busi", backbone="tiny")
    assert "run training" in str(error.value)
    assert "--untrained" in str(error.value)


def test_a_bundle_may_begin_untrained_when_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, done = add_bundle(tmp_path, "busi", backbone="tiny", untrained=True)
    assert "UNTRAINED" in done
    assert model_of(tmp_path / "model" / "busi")


def test_a_bundle_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match="no bundle 'busy'"):
        add_bundle(tmp_path, "busy")


def test_a_model_of_another_network_is_refused_before_the_server_starts(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, tmp_path / "model" / "busi" / "models" / "model.pt")
    with pytest.raises(DataError, match=r"conv\.weight"):
        add_bundle(tmp_path, str(bundle), backbone="tiny")


@pytest.mark.parametrize("name", ["inference", "train", "multi_gpu_train"])
def test_code_in_a_bundle_is_refused_unless_it_is_trusted(bundle, tmp_path, name):
    source = shutil.copytree(bundle, tmp_path / "busi")
    config = source / "configs" / f"{name}.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "more": "$print()"}))
    with pytest.raises(DataError, match=rf"{name}\.json.*--trust"):
        add_bundle(tmp_path, str(source), backbone="tiny")
    assert not list((tmp_path / "model").iterdir())
    assert add_bundle(tmp_path, str(source), backbone="tiny", trust=True)[0] == "busi"


@pytest.mark.parametrize("name", ["train", "multi_gpu_train"])
def test_a_configuration_that_is_not_there_cannot_hide_code_in_another_format(bundle, tmp_path, name):
    source = shutil.copytree(bundle, tmp_path / "busi")
    (source / "configs" / f"{name}.json").unlink()
    with pytest.raises(MissingFileError, match=rf"{name}\.json"):
        add_bundle(tmp_path, str(source), backbone="tiny")


@pytest.mark.parametrize("options", [["--backbone", "tiny"], ["--backbone", "tiny", "--self-contained"]])
def test_a_packed_bundle_is_taken(bundle, tmp_path, options):
    main(["package", str(bundle), "--out", str(tmp_path / "busi.zip"), *options])
    shutil.unpack_archive(tmp_path / "busi.zip", tmp_path)
    assert add_bundle(tmp_path / "app", str(tmp_path / "busi"))[0] == "busi"


def test_a_failure_leaves_nothing_that_blocks_the_next_attempt(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi")
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, source / "models" / "model.pt")
    with pytest.raises(DataError, match=r"conv\.weight"):
        add_bundle(tmp_path, str(source), backbone="tiny")
    shutil.copy(bundle / "models" / "model.pt", source / "models")
    assert "copied to" in add_bundle(tmp_path, str(source), backbone="tiny")[1]
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["busi"]


def test_a_backbone_that_does_not_fit_is_not_written_into_a_copy(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    with pytest.raises(RuntimeError):
        add_bundle(tmp_path, str(bundle), backbone=str(tmp_path / "nowhere"))
    assert "stays as it is" in add_bundle(tmp_path, str(bundle))[1]


def test_a_model_trained_since_takes_the_place_of_an_untrained_one(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi", ignore=shutil.ignore_patterns("models"))
    add_bundle(tmp_path, str(source), backbone="tiny", untrained=True)
    assert "UNTRAINED" in add_bundle(tmp_path, str(source), backbone="tiny")[1]
    shutil.copytree(bundle / "models", source / "models")
    assert "UNTRAINED" not in add_bundle(tmp_path, str(source), backbone="tiny")[1]
    copied = model_of(tmp_path / "model" / "busi")
    assert all(torch.equal(tensor, copied[name]) for name, tensor in model_of(bundle).items())


def test_a_model_that_began_untrained_and_has_learned_is_kept(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi", ignore=shutil.ignore_patterns("models"))
    add_bundle(tmp_path, str(source), backbone="tiny", untrained=True)
    path = tmp_path / "model" / "busi" / "models" / "model.pt"
    torch.save({"model": {name: tensor * 1 for name, tensor in model_of(bundle).items()}, "epoch": 1}, path)
    learned = path.read_bytes()
    shutil.copytree(bundle / "models", source / "models")
    assert "UNTRAINED" not in add_bundle(tmp_path, str(source), backbone="tiny")[1]
    assert path.read_bytes() == learned


def test_the_folder_of_a_backbone_is_written_as_an_absolute_path(bundle, tmp_path, monkeypatch):
    load_backbone("tiny").save(tmp_path / "clipseg")
    monkeypatch.chdir(tmp_path)
    add_bundle(tmp_path, str(bundle), backbone="clipseg")
    config = json.loads((tmp_path / "model" / "busi" / "configs" / "inference.json").read_text())
    assert config["backbone"] == str(tmp_path / "clipseg")


def test_a_folder_that_is_no_bundle_does_not_hide_the_bundle_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "busi").mkdir()
    assert add_bundle(tmp_path, "busi", backbone="tiny", untrained=True)[0] == "busi"


def test_two_bundles_of_one_name_are_refused(bundle, tmp_path):
    other = shutil.copytree(bundle, tmp_path / "busi")
    with pytest.raises(DataError, match="same name, 'busi'"):
        main(["label-app", str(bundle), str(other), "--studies", str(tmp_path), "--app", str(tmp_path / "app")])


def test_studies_that_are_not_there_are_not_created(tmp_path):
    with pytest.raises(MissingFileError, match="--studies"):
        main(["label-app", "busi", "--studies", str(tmp_path / "imgaes"), "--app", str(tmp_path / "app")])
    assert not list(tmp_path.iterdir())


def test_the_server_needs_no_network_and_listens_to_this_machine_only(tmp_path):
    command = " ".join(server_command(tmp_path, Path("studies"), ["busi", "isic16"], "127.0.0.1", 8000))
    assert "--host 127.0.0.1 --port 8000" in command
    assert command.endswith("--conf models busi,isic16 --conf zoo_source ngc --conf sam2 false")


@pytest.mark.skipif(importlib.util.find_spec("monailabel") is not None, reason="MONAI Label is installed here")
def test_without_monai_label_the_command_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"scripts/label_env\.sh"):
        main(["label-app", "busi", "--studies", str(tmp_path), "--app", str(tmp_path / "app")])
