"""Files of strangers: no links, nothing that blocks, nothing that Python would import."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from bundle.changes import BUNDLES, edit

import monai_vlsm.bundle.files as files
from monai_vlsm.bundle import read_without_foreign_code, refuse_foreign_code
from monai_vlsm.bundle.files import parse_json, read_file, require_known_files
from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.errors import DataError, MissingFileError

ALLOWED = [
    *("models/model.pt", "models/model.ts", "models/calibration.json", "models/untrained.sha256", "large_files.yml"),
    *("models/backbone/model.safetensors", "models/backbone/merges.txt", "models/backbone/tokenizer_config.json"),
    *(
        "eval/training_state.pt",
        "eval/training_state.older.pt",
        "models/older/model_2026-11-25.pt",
        "eval/test_p1/summary.json",
        "eval/events.out.tfevents.1764.host.12.0",
        "models/.training.json",
        "models/.training.lock",
        "configs/monailabel_train.json",
    ),
    *("eval/masks/a.nii.gz", "eval/mlruns.db", "eval/mlruns/0/abc/params/lr", "docs/picture.png", "README.md"),
    *(f"cache/states/0a/{'0a' * 32}.npy", f"cache/masks/0a/.0123456789abcdef.part.{'0a' * 32}.npy"),
    *(".gitattributes", "docs/.DS_Store", "Thumbs.db"),
]
FOREIGN = [
    *("nibabel.py", "itk/__init__.py", "models/PIL.pyc", "torch.abi3.so", "torch.pyd", "TORCH.PY", "eval/scipy.py"),
    *("models/backbone/modeling.py", "scripts/net.py", "configs/inference.yaml", "configs/Inference.json", "x.zip"),
    *(
        "configs/other.json",
        "docs/setup.py",
        "a.pth",
        "LICENSE.py",
        "eval/masks.py",
        "models/x/y.pt",
        "CONFIGS/train.json",
    ),
    *("cache/code.py", "cache/0a/x.pt", "caches/0a/x.npy"),
    *("eval/mlruns/0/code.py", "\uff2cICENSE", ".git/hooks/post-checkout", "torch", "eval/libtorch.so.2"),
]


def put(bundle, name):
    path = bundle / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("name", ALLOWED)
def test_what_training_sharing_and_people_leave_is_allowed(bundle, name):
    put(bundle, name)
    refuse_foreign_code(bundle)


def test_what_the_lock_of_a_training_leaves_is_allowed(bundle):
    lock = FolderLock(bundle / "models")
    lock.acquire()
    refuse_foreign_code(bundle)
    lock.release()
    refuse_foreign_code(bundle)
    assert (bundle / "models").is_dir()


@pytest.mark.parametrize("name", FOREIGN)
def test_another_file_is_refused_by_its_path(bundle, name):
    path = put(bundle, name)
    with pytest.raises(DataError) as refused:
        require_known_files(bundle)
    assert repr(str(path)) in str(refused.value)


LINKED = ["LICENSE", "docs", "docs/README.md", "configs", "configs/inference.json", "models", "eval", "eval/loop", "x"]


@pytest.mark.parametrize("name", LINKED)
def test_a_link_in_a_bundle_is_refused_wherever_it_leads(bundle, tmp_path, name):
    path = bundle / name
    path.parent.mkdir(exist_ok=True)
    target = tmp_path / "elsewhere"
    if path.exists():
        path.rename(target)
    path.symlink_to(target if target.exists() else bundle)
    with pytest.raises(DataError, match=f"{name}' is a link"):
        refuse_foreign_code(bundle)


def test_the_folder_of_a_bundle_may_be_a_link_of_its_owner(bundle, tmp_path):
    (tmp_path / "link").symlink_to(bundle)
    refuse_foreign_code(tmp_path / "link")


def test_a_second_name_of_a_file_is_no_link(bundle, tmp_path):
    """Archives cannot hold a hard link to what lies outside of them, and backup programs make many."""
    os.link(bundle / "LICENSE", tmp_path / "backup")
    refuse_foreign_code(bundle)


def test_a_folder_that_cannot_be_read_is_refused_by_name(bundle, monkeypatch):
    (bundle / "models").mkdir()
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("models"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match="models' of the bundle cannot be read: Permission denied"):
        require_known_files(bundle)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        folder = os.getcwd()
        os.chdir(path.parent)  # the address of a socket may have 107 bytes
        try:
            made.bind(path.name)
        finally:
            os.chdir(folder)


@pytest.mark.parametrize("make", [os.mkfifo, make_socket], ids=["pipe", "socket"])
@pytest.mark.parametrize("name", ["configs/inference.json", "models/model.pt", "configs/logging.conf"])
def test_a_pipe_or_socket_is_refused_and_does_not_block(bundle, make, name):
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).unlink(missing_ok=True)
    make(bundle / name)
    with pytest.raises(DataError, match=f"{name}' is no plain file"):
        refuse_foreign_code(bundle)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/proc/self/mem"])
def test_devices_are_not_read(path):
    with pytest.raises(DataError, match=r"is a link|is no plain file|cannot be read"):
        read_file(path)


def test_a_pipe_in_the_place_of_a_file_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "inference.json")
    with pytest.raises(DataError, match="is no plain file"):
        read_file(tmp_path / "inference.json")


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="this system cannot open a path without following links")
def test_a_link_put_in_place_after_the_look_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "file").write_text("{}")

    def swap(path):
        facts = os.stat(path)
        os.unlink(path)
        os.symlink(tmp_path / "secret", path)
        return facts

    monkeypatch.setattr(files.os, "lstat", swap)
    with pytest.raises(DataError, match="cannot be read"):
        read_file(tmp_path / "file")


def test_a_file_is_read_to_its_limit_and_not_further(tmp_path):
    (tmp_path / "file").write_bytes(b"1234")
    assert read_file(tmp_path / "file", 4) == b"1234"
    with pytest.raises(DataError, match="more than 3 bytes"):
        read_file(tmp_path / "file", 3)


def test_a_huge_configuration_is_refused(bundle):
    path = bundle / "configs" / "inference.json"
    with open(path, "ab") as file:
        file.truncate(2**32)
    with pytest.raises(DataError, match="more than 1,048,576 bytes"):
        read_without_foreign_code(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=str(tmp_path / "none")):
        read_file(tmp_path / "none")


NO_JSON = {
    "empty": b"",
    "a list": b"[1]",
    "a text": b'"a"',
    "deep": b"[" * 100_000,
    "mark of byte order": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "bytes": b"\x80\x81",
    "twice": b'{"a": 1, "a": 2}',
    "twice inside": b'{"a": {"b": 1, "c": 2, "b": 3}}',
    "twice in other letters": b'{"a": 1, "\\u0061": 2}',
    "comment": b'{"a": 1} // b',
}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_of_one_meaning_is_refused(content):
    with pytest.raises(DataError, match=r"x\.json"):
        parse_json(content, "x.json")


@pytest.mark.parametrize("name", ["inference", "metadata"])
@pytest.mark.parametrize("kind", [dict, list])
def test_deep_nesting_is_refused(bundle, name, kind):
    nested = "x"
    for _ in range(400):
        nested = {"a": nested} if kind is dict else [nested]
    edit(bundle, lambda config: config.update(name=nested), name)
    with pytest.raises(DataError):
        refuse_foreign_code(bundle)


MODULES = (
    *("argparse", "typing", "pathlib", "json", "re", "logging", "tempfile", "shutil", "zipfile", "hashlib", "random"),
    *("torch", "numpy", "monai", "transformers", "ignite", "PIL", "nibabel", "scipy", "yaml", "itk", "safetensors"),
)


def test_python_modules_in_the_working_directory_are_not_imported(tmp_path):
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})")
    command = [sys.executable, "-m", "monai_vlsm", "predict", "x.png", "--bundle", "."]
    environment = {**os.environ, "PYTHONPATH": str(BUNDLES.parent)}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "inference.json").write_text("{}")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert "could be code that Python finds" in done.stderr
