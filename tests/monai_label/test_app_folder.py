"""The folder of an app: which bundles it takes, and what it does with their models."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from bundle.changes import edit
from monai.bundle import ConfigParser

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.monai_label import app_folder
from monai_vlsm.monai_label.address import Address
from monai_vlsm.monai_label.app_folder import AddedBundle, add_bundle, server_command, write_app
from monai_vlsm.monai_label.pinned import digest_of, require_unchanged
from monai_vlsm.networks import build_network, load_backbone, load_checkpoint, load_network, trained_parameters


def model_of(folder):
    return torch.load(folder / "models" / "model.pt", weights_only=True)["model"]


def test_a_trained_bundle_is_copied_with_its_model(bundle, tmp_path):
    added = add_bundle(tmp_path, str(bundle), backbone="tiny")
    assert added == AddedBundle("busi", tmp_path / "model" / "busi", copied=True, untrained=False)
    copied = model_of(tmp_path / "model" / "busi")
    assert all(torch.equal(tensor, copied[key]) for key, tensor in model_of(bundle).items())


def test_the_backbone_is_written_into_the_copy_only(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    for root, expected in ((tmp_path / "model" / "busi", "tiny"), (bundle, "CIDAS/clipseg-rd64-refined")):
        for name in ("train", "inference"):
            assert json.loads((root / "configs" / f"{name}.json").read_text())["backbone"] == expected


@pytest.mark.parametrize(
    ("method", "settings"), [("shallow", {"bottleneck": 8}), ("coop", {"contexts": 2}), ("unet", {})]
)
def test_a_model_goes_on_learning_by_the_method_it_was_made_with(bundle, tmp_path, method, settings):
    source = shutil.copytree(bundle, tmp_path / "busi")
    made = build_network(method, "tiny", prompt="tumor", **settings)
    torch.save({"model": made.state_dict()}, source / "models" / "model.pt")
    folder = add_bundle(tmp_path / "app", str(source), backbone="tiny").folder
    parser = ConfigParser(json.loads((folder / "configs" / "train.json").read_text()))
    load_checkpoint(parser.get_parsed_content("network_def"), folder / "models" / "model.pt")
    assert parser["method"] == method


def test_what_training_left_in_the_cache_is_not_copied(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi")
    (source / "cache").mkdir()
    (source / "cache" / "a.npy").touch()
    add_bundle(tmp_path, str(source), backbone="tiny")
    assert not (tmp_path / "model" / "busi" / "cache").exists()


def test_a_copy_that_has_learned_is_kept(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    path = tmp_path / "model" / "busi" / "models" / "model.pt"
    network = load_network(path, "tiny")
    with torch.no_grad():
        for parameter in trained_parameters(network):
            parameter.add_(1)
    learned = {"model": network.state_dict()}
    torch.save(learned, path)
    assert not add_bundle(tmp_path, str(bundle), backbone="tiny").copied
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
    assert add_bundle(tmp_path, "busi", backbone="tiny", untrained=True).untrained
    assert model_of(tmp_path / "model" / "busi")


def test_a_bundle_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match="no bundle 'busy'"):
        add_bundle(tmp_path, "busy")


def test_a_model_of_another_network_is_refused_before_the_server_starts(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, tmp_path / "model" / "busi" / "models" / "model.pt")
    with pytest.raises(DataError, match="no checkpoint of this package"):
        add_bundle(tmp_path, str(bundle), backbone="tiny")


def test_a_bundle_that_uses_a_model_from_elsewhere_is_refused(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi")
    edit(source, lambda config: config.update(checkpoint="models/other.pt"))
    with pytest.raises(DataError, match=r"'checkpoint': 'models/other\.pt'"):
        add_bundle(tmp_path, str(source), backbone="tiny")


@pytest.mark.parametrize("name", ["inference", "train", "multi_gpu_train", "evaluate"])
def test_code_in_a_bundle_is_refused_unless_it_is_trusted(bundle, tmp_path, name):
    source = shutil.copytree(bundle, tmp_path / "busi")
    edit(source, lambda config: config.update(more="$print()"), name)
    with pytest.raises(DataError, match=rf"{name}\.json.*--trust"):
        add_bundle(tmp_path, str(source), backbone="tiny")
    assert not list((tmp_path / "model").iterdir())
    assert add_bundle(tmp_path, str(source), backbone="tiny", trust=True).name == "busi"


@pytest.mark.parametrize("name", ["train", "multi_gpu_train", "evaluate"])
def test_a_configuration_that_is_not_there_cannot_hide_code_in_another_format(bundle, tmp_path, name):
    source = shutil.copytree(bundle, tmp_path / "busi")
    (source / "configs" / f"{name}.json").unlink()
    with pytest.raises(MissingFileError, match=rf"{name}\.json"):
        add_bundle(tmp_path, str(source), backbone="tiny")


@pytest.mark.parametrize("options", [["--backbone", "tiny"], ["--backbone", "tiny", "--self-contained"]])
def test_a_packed_bundle_is_taken(bundle, tmp_path, options):
    main(["package", str(bundle), "--out", str(tmp_path / "busi.zip"), *options])
    shutil.unpack_archive(tmp_path / "busi.zip", tmp_path)
    assert add_bundle(tmp_path / "app", str(tmp_path / "busi")).name == "busi"


def test_a_failure_leaves_nothing_that_blocks_the_next_attempt(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi")
    torch.save({"model": {"conv.weight": torch.zeros(1)}}, source / "models" / "model.pt")
    with pytest.raises(DataError, match="no checkpoint of this package"):
        add_bundle(tmp_path, str(source), backbone="tiny")
    shutil.copy(bundle / "models" / "model.pt", source / "models")
    assert add_bundle(tmp_path, str(source), backbone="tiny").copied
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["busi"]


def test_a_backbone_that_does_not_fit_is_not_written_into_a_copy(bundle, tmp_path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    with pytest.raises(MissingFileError, match="nowhere"):
        add_bundle(tmp_path, str(bundle), backbone=str(tmp_path / "nowhere"))
    assert not add_bundle(tmp_path, str(bundle)).copied


def test_a_model_trained_since_takes_the_place_of_an_untrained_one(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi", ignore=shutil.ignore_patterns("models"))
    add_bundle(tmp_path, str(source), backbone="tiny", untrained=True)
    assert add_bundle(tmp_path, str(source), backbone="tiny").untrained
    shutil.copytree(bundle / "models", source / "models")
    assert not add_bundle(tmp_path, str(source), backbone="tiny").untrained
    copied = model_of(tmp_path / "model" / "busi")
    assert all(torch.equal(tensor, copied[name]) for name, tensor in model_of(bundle).items())


def test_a_model_that_began_untrained_and_has_learned_is_kept(bundle, tmp_path):
    source = shutil.copytree(bundle, tmp_path / "busi", ignore=shutil.ignore_patterns("models"))
    add_bundle(tmp_path, str(source), backbone="tiny", untrained=True)
    path = tmp_path / "model" / "busi" / "models" / "model.pt"
    torch.save({"model": {name: tensor * 1 for name, tensor in model_of(bundle).items()}, "epoch": 1}, path)
    learned = path.read_bytes()
    shutil.copytree(bundle / "models", source / "models")
    assert not add_bundle(tmp_path, str(source), backbone="tiny").untrained
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
    assert add_bundle(tmp_path, "busi", backbone="tiny", untrained=True).name == "busi"


def test_two_bundles_of_one_name_are_refused(bundle, tmp_path):
    other = shutil.copytree(bundle, tmp_path / "busi")
    with pytest.raises(DataError, match="same name, 'busi'"):
        main(["label-app", str(bundle), str(other), "--studies", str(tmp_path), "--app", str(tmp_path / "app")])


def test_studies_that_are_not_there_are_not_created(tmp_path):
    with pytest.raises(MissingFileError, match="--studies"):
        main(["label-app", "busi", "--studies", str(tmp_path / "imgaes"), "--app", str(tmp_path / "app")])
    assert not list(tmp_path.iterdir())


def test_the_server_needs_no_network_and_listens_to_this_machine_only(tmp_path):
    command = " ".join(server_command(tmp_path, Path("studies"), ["busi", "isic16"], Address()))
    assert "--host 127.0.0.1 --port 8000" in command
    assert command.endswith("--conf models busi,isic16 --conf zoo_source ngc --conf sam2 false")


@pytest.mark.parametrize(("app", "studies"), [("app", "app/model/busi/configs"), ("same", "same")])
def test_studies_may_not_lie_in_the_app_as_uploads_would(tmp_path, app, studies):
    (tmp_path / studies).mkdir(parents=True)
    with pytest.raises(DataError, match="lie in the folder of the app"):
        main(["label-app", "busi", "--studies", str(tmp_path / studies), "--app", str(tmp_path / app)])


@pytest.mark.parametrize("path", ["docs/more.txt", "models/extra", "configs/more.json"])
def test_a_link_in_a_bundle_is_refused(bundle, tmp_path, path):
    source = shutil.copytree(bundle, tmp_path / "busi")
    (tmp_path / "secret").write_text("of another person")
    (source / path).symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match="is a link"):
        add_bundle(tmp_path / "app", str(source), backbone="tiny", trust=True)
    assert not list((tmp_path / "app" / "model").iterdir())


@pytest.mark.parametrize("name", ["a,b", "a b", ".a", "-a", "ä", "any"])
def test_a_name_that_is_no_part_of_an_address_is_refused(bundle, tmp_path, name):
    source = shutil.copytree(bundle, tmp_path / name)
    with pytest.raises(DataError, match="rename"):
        add_bundle(tmp_path / "app", str(source), backbone="tiny")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("configs/metadata.json", '{"version": "$print()"}'),
        ("configs/logging.conf", "[loggers]\nkeys=root"),
        ("scripts/__init__.py", "print()"),
    ],
)
def test_other_files_that_run_are_refused_unless_trusted(bundle, tmp_path, path, text):
    source = shutil.copytree(bundle, tmp_path / "busi")
    (source / path).parent.mkdir(exist_ok=True)
    (source / path).write_text(text)
    with pytest.raises(DataError, match="--trust"):
        add_bundle(tmp_path, str(source), backbone="tiny")


@pytest.mark.parametrize("path", ["configs/train.json", "configs/metadata.json", "docs/README.md", "monai.py"])
def test_a_file_that_changes_after_the_check_is_noticed(bundle, tmp_path, path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    before = digest_of(tmp_path, ["busi"])
    require_unchanged(tmp_path, ["busi"], before)
    with (tmp_path / "model" / "busi" / path).open("a") as file:
        file.write(" ")
    with pytest.raises(DataError, match="label-app"):
        require_unchanged(tmp_path, ["busi"], before)


@pytest.mark.parametrize("path", ["models/model.pt", "eval/train.log", "cache/a.npy"])
def test_what_training_writes_is_no_change(bundle, tmp_path, path):
    add_bundle(tmp_path, str(bundle), backbone="tiny")
    before = digest_of(tmp_path, ["busi"])
    (tmp_path / "model" / "busi" / path).parent.mkdir(exist_ok=True)
    (tmp_path / "model" / "busi" / path).write_text("learned")
    require_unchanged(tmp_path, ["busi"], before)


@pytest.mark.skipif(importlib.util.find_spec("monailabel") is not None, reason="MONAI Label is installed here")
def test_without_monai_label_the_command_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"scripts/label_env\.sh"):
        main(["label-app", "busi", "--studies", str(tmp_path), "--app", str(tmp_path / "app")])


class Installed:
    """What Python knows of an installed MONAI Label."""

    def __init__(self, folder, version):
        self.version = version
        written = folder / "sample-apps" / "monaibundle" / "main.py"
        written.parent.mkdir(parents=True)
        written.write_text("its own")
        self.files = [type("File", (), {"as_posix": written.as_posix, "locate": lambda self: written})()]


@pytest.mark.parametrize("version", ["0.8.5", "0.8.6", "0.8.10"])
def test_an_app_is_the_sample_of_monai_label_with_our_code_on_top(tmp_path, monkeypatch, version):
    installed = Installed(tmp_path / "installed", version)
    monkeypatch.setattr(app_folder, "distribution", lambda name: installed)
    for _ in range(2):
        write_app(tmp_path / "app")
    assert (tmp_path / "app" / "monaibundle.py").read_text() == "its own"
    assert "class App" in (tmp_path / "app" / "main.py").read_text()


@pytest.mark.parametrize("version", ["0.8.4", "0.9.0", "1.8.5", "0.8"])
def test_a_version_whose_routes_nobody_looked_at_is_refused(tmp_path, monkeypatch, version):
    installed = Installed(tmp_path / "installed", version)
    monkeypatch.setattr(app_folder, "distribution", lambda name: installed)
    with pytest.raises(DataError, match=r"0\.8\.5 or a later 0\.8"):
        write_app(tmp_path / "app")
    assert not (tmp_path / "app").exists()
