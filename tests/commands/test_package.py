"""``python -m monai_vlsm package``: what is in the archive, and that it works where nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from bundle.changes import OLD, edit
from calibration.documents import DOCUMENT, give_calibration
from monai.bundle import download, download_large_files, run
from PIL import Image
from safetensors.torch import load_file, save_file

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import pack, refuse_foreign_code
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import CLIPSegDenseAdapter, load_backbone
from monai_vlsm.networks.backbone import TINY_FOLDER
from monai_vlsm.predictor import Predictor

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
FILES = {
    "LICENSE",
    "configs/calibrate.json",
    "configs/evaluate.json",
    "configs/inference.json",
    "configs/logging.conf",
    "configs/metadata.json",
    "configs/multi_gpu_train.json",
    "configs/train.json",
    "docs/README.md",
    "docs/data_license.txt",
    "models/model.pt",
}
PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A bundle as it is after training and much use."""
    folder = tmp_path_factory.mktemp("bundles") / "busi"
    shutil.copytree(BUNDLES / "busi", folder, ignore=shutil.ignore_patterns("eval", "models"))
    for name in ("models", "eval", "cache", "configs/__pycache__", ".git"):
        (folder / name).mkdir()
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, folder / "models" / "model.pt")
    private = ("eval/summary.json", "models/old.pt", "cache/a.npy", "configs/__pycache__/x.pyc", ".git/HEAD")
    for name in (*private, "docs/.DS_Store"):
        (folder / name).write_bytes(b"not to be shared")
    return folder


@pytest.fixture
def pack_it(trained, tmp_path):
    def write(*options: str, bundle: Path = trained, out: str = "busi.zip") -> Path:
        main(["package", str(bundle), "--out", str(tmp_path / out), "--backbone", "tiny", *options])
        return tmp_path / out

    return write


@pytest.fixture(scope="module")
def whole(trained, tmp_path_factory) -> Path:
    """An archive with the backbone in it."""
    out = tmp_path_factory.mktemp("whole") / "busi.zip"
    main(["package", str(trained), "--out", str(out), "--backbone", "tiny", "--self-contained"])
    return out


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy" / "busi"))


def content_of(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        assert {name.split("/")[0] for name in file.namelist()} == {"busi"}
        return {name.removeprefix("busi/"): file.read(name) for name in file.namelist()}


def probability(folder: Path, **options) -> np.ndarray:
    return Predictor.from_bundle(folder, device="cpu", **options).set_image(PICTURE).predict("tumor").probability


def test_settings_texts_and_model_are_in_the_archive_and_nothing_else(pack_it, trained):
    files = content_of(pack_it())
    assert set(files) == FILES
    assert files["models/model.pt"] == (trained / "models" / "model.pt").read_bytes()


def test_packing_twice_gives_the_same_bytes(pack_it, copy, whole):
    for path in copy.rglob("*"):
        os.utime(path, (0, 1e9))
        path.chmod(0o700)
    assert pack_it("--self-contained", bundle=copy).read_bytes() == whole.read_bytes()


def test_a_bundle_is_found_by_its_name(trained, tmp_path, monkeypatch, capsys):
    (tmp_path / "bundles").symlink_to(trained.parent)
    monkeypatch.chdir(tmp_path)
    main(["package", "busi", "--backbone", "tiny"])
    assert set(content_of(tmp_path / "busi.zip")) == FILES
    assert f"{tmp_path / 'busi.zip'}: {len(FILES)} files" in capsys.readouterr().out


def test_monai_downloads_the_archive_and_the_predictor_takes_it(pack_it, trained, tmp_path):
    archive = pack_it()
    download(name="busi", bundle_dir=str(tmp_path / "here"), url=archive.as_uri(), progress=False)
    refuse_foreign_code(tmp_path / "here" / "busi")
    np.testing.assert_array_equal(probability(tmp_path / "here" / "busi"), probability(trained, backbone="tiny"))


def test_predict_takes_the_archive_as_it_is(pack_it, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Image.fromarray(PICTURE).save(tmp_path / "image.png")
    out = tmp_path / "masks"
    main(["predict", str(tmp_path / "image.png"), "--bundle", str(pack_it()), "--prompt", "tumor", "--out", str(out)])
    assert [Image.open(mask).size for mask in out.glob("*mask*")] == [(60, 40)]


def test_the_archive_names_the_backbone_that_the_model_was_trained_on(pack_it):
    files = content_of(pack_it())
    assert json.loads(files["configs/inference.json"])["backbone"] == "tiny"
    assert json.loads(files["configs/train.json"])["backbone"] == "tiny"


def test_a_model_of_another_backbone_is_not_packed(trained, tmp_path):
    load_backbone("tiny").save(tmp_path / "other")
    weights = tmp_path / "other" / "model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(weights).items()}, weights, {"format": "pt"})
    with pytest.raises(DataError, match="this network stands on 'other'"):
        main(["package", str(trained), "--backbone", str(tmp_path / "other"), "--out", str(tmp_path / "busi.zip")])
    assert not (tmp_path / "busi.zip").exists()


def test_the_environment_does_not_hide_that_a_model_was_trained_on_tiny(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("MONAI_VLSM_BACKBONE", "tiny")
    with pytest.raises(DataError, match="--backbone tiny"):
        main(["package", str(trained), "--out", str(tmp_path / "busi.zip")])


def test_a_bundle_that_uses_a_model_from_elsewhere_is_refused(copy, pack_it):
    edit(copy, lambda config: config.update(checkpoint="models/old.pt"))
    with pytest.raises(DataError, match=r"'checkpoint': 'models/old\.pt'"):
        pack_it(bundle=copy)


@pytest.fixture
def self_contained(whole, tmp_path) -> Path:
    with zipfile.ZipFile(whole) as file:
        file.extractall(tmp_path / "elsewhere")
    return tmp_path / "elsewhere" / "busi"


def test_a_self_contained_bundle_has_the_backbone_that_was_packed(self_contained):
    inside = load_backbone(str(self_contained / "models" / "backbone"))
    assert inside.fingerprint == load_backbone("tiny").fingerprint
    assert inside.tokenizer("a lesion")["input_ids"] == load_backbone("tiny").tokenizer("a lesion")["input_ids"]


def test_a_self_contained_bundle_needs_no_trust_and_gives_the_same(self_contained, trained):
    refuse_foreign_code(self_contained)
    expected = probability(trained, backbone="tiny")
    np.testing.assert_allclose(probability(self_contained), expected, atol=1e-5)


def test_a_self_contained_bundle_runs_from_anywhere(self_contained, tmp_path, monkeypatch):
    Image.fromarray(PICTURE).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    run(
        config_file=str(self_contained / "configs" / "inference.json"),
        bundle_root=str(self_contained),
        images=str(tmp_path / "image.png"),
        output_dir=str(tmp_path / "masks"),
        overlays=0,
        device="cpu",
    )
    assert Image.open(tmp_path / "masks" / "image_mask.png").size == (60, 40)


def test_a_self_contained_bundle_stays_so_when_it_is_packed_again(self_contained, whole, tmp_path):
    main(["package", str(self_contained), "--out", str(tmp_path / "again.zip")])
    once, again = content_of(whole), content_of(tmp_path / "again.zip")
    assert once.keys() == again.keys()
    assert all(once[name] == again[name] for name in ("configs/inference.json", "models/backbone/model.safetensors"))


@pytest.fixture
def uploaded(pack_it, tmp_path, monkeypatch) -> Path:
    """A self-contained archive where 2 MiB are large, and its large files where the prefix says."""
    monkeypatch.setattr(pack, "LARGE", 2**21)
    return pack_it("--self-contained", "--url-prefix", (tmp_path / "busi_uploads").as_uri())


def test_large_files_are_listed_with_their_sums_and_written_beside_the_archive(uploaded, tmp_path):
    files = content_of(uploaded)
    (listed,) = yaml.safe_load(files["large_files.yml"])["large_files"]
    upload = tmp_path / "busi_uploads" / listed["url"].rsplit("/", 1)[1]
    assert listed["path"] == "models/backbone/model.safetensors"
    assert listed["path"] not in files
    assert (listed["hash_type"], listed["hash_val"]) == ("sha256", hashlib.sha256(upload.read_bytes()).hexdigest())
    assert max(map(len, files.values())) <= 2**21


def test_monai_brings_the_large_files_back(uploaded, trained, tmp_path):
    with zipfile.ZipFile(uploaded) as file:
        file.extractall(tmp_path / "elsewhere")
    download_large_files(str(tmp_path / "elsewhere" / "busi"))
    expected = probability(trained, backbone="tiny")
    np.testing.assert_allclose(probability(tmp_path / "elsewhere" / "busi"), expected, atol=1e-5)


def test_it_says_what_to_upload(capsys, uploaded, tmp_path):
    upload = tmp_path / "busi_uploads" / "busi_models_backbone_model.safetensors"
    assert f"upload {upload} to file://" in capsys.readouterr().out


def test_it_says_what_is_too_large_for_a_pull_request(pack_it, monkeypatch, capsys):
    monkeypatch.setattr("monai_vlsm.commands.package.LARGE", 2**21)
    pack_it("--self-contained")
    assert re.search("model.safetensors has [0-9]+ MB, too much .*--url-prefix", capsys.readouterr().out)


def test_a_bundle_without_model_is_told_how_to_get_one(copy, pack_it):
    (copy / "models" / "model.pt").unlink()
    with pytest.raises(MissingFileError, match=r"models/model\.pt'.* run training .*configs/train\.json"):
        pack_it(bundle=copy)


@pytest.mark.parametrize("name", ["LICENSE", "configs/metadata.json", "configs/inference.json"])
def test_a_bundle_without_a_file_that_the_zoo_wants_is_refused(copy, pack_it, name):
    (copy / name).unlink()
    with pytest.raises(MissingFileError, match=name):
        pack_it(bundle=copy)


@pytest.mark.parametrize("path", ["/home/jane/data", "/Users/jane/data", "C:\\\\Users\\\\jane", "/root/data"])
def test_folders_of_a_person_are_refused_by_name(copy, pack_it, path):
    train = copy / "configs" / "train.json"
    train.write_text(train.read_text().replace('"data/busi"', f'"{path}"'))
    with pytest.raises(DataError, match=r"configs/train\.json names"):
        pack_it(bundle=copy)


def test_a_backbone_in_a_folder_of_a_person_is_refused_before_anything_is_written(copy, pack_it, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "_PERSONAL", re.compile(re.escape(str(tmp_path)) + r"[^\"'\s]*"))
    folder = tmp_path / "clipseg"
    shutil.copytree(TINY_FOLDER, folder)
    with pytest.raises(DataError, match=r"names .*clipseg', a folder of a person.* --self-contained"):
        pack_it("--backbone", str(folder), bundle=copy)


def test_a_web_address_is_no_folder_of_a_person(copy, pack_it):
    (copy / "docs" / "README.md").write_text("see https://example.org/home/page and example.org/root/data")
    assert set(content_of(pack_it(bundle=copy))) == FILES


def test_a_version_without_an_entry_in_the_changelog_is_refused(copy, pack_it):
    metadata = copy / "configs" / "metadata.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), "version": "9.9.9"}))
    with pytest.raises(DataError, match=r"'9\.9\.9'"):
        pack_it(bundle=copy)


def test_code_in_the_bundle_is_not_run_unless_it_is_trusted(copy, pack_it, tmp_path):
    inference = copy / "configs" / "inference.json"
    config = json.loads(inference.read_text())
    config["network_def"]["_requires_"] = [f"$open({str(tmp_path / 'ran')!r}, 'w').close()"]
    inference.write_text(json.dumps(config))
    with pytest.raises(DataError, match="_requires_"):
        pack_it(bundle=copy)
    assert not (tmp_path / "ran").exists()
    pack_it("--trust", bundle=copy)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("trust", [[], ["--trust"]], ids=["not trusted", "trusted"])
@pytest.mark.parametrize(
    "name", ["LICENSE", "docs", "docs/README.md", "configs/train.json", "models/model.pt", "docs/x"]
)
def test_what_a_link_leads_to_is_not_packed(copy, pack_it, tmp_path, name, trust):
    secret = tmp_path / "secret"
    if (copy / name).exists():
        (copy / name).rename(secret)
    else:
        secret.write_text("private")
    (copy / name).symlink_to(secret)
    with pytest.raises(DataError, match=f"{name}' is a link"):
        pack_it(*trust, bundle=copy)
    assert not (tmp_path / "busi.zip").exists()


@pytest.mark.parametrize(
    "name", ["train.json", "evaluate.json", "multi_gpu_train.json", "metadata.json", "logging.conf", "more.json"]
)
def test_code_in_any_setting_is_packed_only_if_it_is_trusted(copy, pack_it, tmp_path, name):
    path = copy / "configs" / name
    content = path.read_text() if path.exists() else "{}"
    changed = {**json.loads(content), "more": "$print()"} if name.endswith(".json") else f"{content}\n# more\n"
    path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
    with pytest.raises(DataError, match=re.escape(name)):
        pack_it(bundle=copy)
    assert not (tmp_path / "busi.zip").exists()
    assert f"configs/{name}" in content_of(pack_it("--trust", bundle=copy))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": "1"}', '{"version": [], "changelog": 5}'])
def test_metadata_that_cannot_be_read_is_one_error(copy, pack_it, text):
    (copy / "configs" / "metadata.json").write_text(text)
    with pytest.raises(DataError, match=r"metadata\.json"):
        pack_it(bundle=copy)


def test_a_bundle_of_an_older_version_is_packed_as_it_is(copy, pack_it):
    for name in ("inference.json", "train.json", "evaluate.json", "multi_gpu_train.json"):
        shutil.copy(OLD / "configs" / name, copy / "configs" / name)
    assert content_of(pack_it(bundle=copy))["configs/inference.json"].count(b"LoadPictured") == 1


def test_a_full_disk_leaves_no_archive_when_large_files_do_not_fit(pack_it, tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "LARGE", 2**21)
    monkeypatch.setattr(Path, "write_bytes", lambda *args: (_ for _ in ()).throw(OSError(28, "no space")))
    with pytest.raises(DataError, match="the disk is full"):
        pack_it("--self-contained", "--url-prefix", "https://example.org")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_failed_write_leaves_the_older_archive(pack_it, monkeypatch):
    archive = pack_it()
    before = archive.read_bytes()
    monkeypatch.setattr(zipfile.ZipFile, "writestr", lambda *args: (_ for _ in ()).throw(OSError(28, "no space")))
    with pytest.raises(DataError, match=r"busi\.zip': the disk is full"):
        pack_it()
    assert archive.read_bytes() == before
    assert [path.name for path in archive.parent.iterdir() if path.is_file()] == [archive.name]


def test_the_command_line_ends_with_one_message(tmp_path):
    command = [sys.executable, "-m", "monai_vlsm", "package", "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "bundles" / "nothing") in done.stderr


def test_a_calibration_travels_and_is_used_where_it_arrives(pack_it, copy, tmp_path):
    give_calibration(copy)
    files = content_of(pack_it(bundle=copy))
    assert files["models/calibration.json"] == (copy / "models" / "calibration.json").read_bytes()
    shutil.unpack_archive(pack_it(bundle=copy), tmp_path / "there")
    assert Predictor.from_bundle(tmp_path / "there" / "busi", device="cpu").calibration.temperature == 2.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"checkpoint_sha256": "0" * 64}, "made for another checkpoint"),
        ({"image_size": 32}, "made for the image size 32, and the model runs at 96"),
        ({"data": {**DOCUMENT["data"], "dataset": "/home/somebody/busi"}}, "a folder of a person"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(pack_it, copy, tmp_path, values, message):
    give_calibration(copy, **values)
    with pytest.raises(DataError, match=message):
        pack_it(bundle=copy)
    assert not (tmp_path / "busi.zip").exists()


def test_a_damaged_calibration_is_refused(pack_it, copy):
    give_calibration(copy).write_text("{")
    with pytest.raises(DataError, match=r"calibration\.json' is no JSON"):
        pack_it(bundle=copy)
