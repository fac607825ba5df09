"""The folder of an app: which bundles it takes, and what it does with their models."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.label.app_folder import add_bundle, server_command


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


def test_the_server_needs_no_network_and_listens_to_this_machine_only(tmp_path):
    command = " ".join(server_command(tmp_path, Path("studies"), ["busi", "isic16"], "127.0.0.1", 8000))
    assert "--host 127.0.0.1 --port 8000" in command
    assert command.endswith("--conf models busi,isic16 --conf zoo_source ngc --conf sam2 false")


@pytest.mark.skipif(importlib.util.find_spec("monailabel") is not None, reason="MONAI Label is installed here")
def test_without_monai_label_the_command_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"scripts/label_env\.sh"):
        main(["label-app", "busi", "--studies", str(tmp_path), "--app", str(tmp_path / "app")])
