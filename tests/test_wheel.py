"""The wheel holds all that the package needs, and works away from the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--no-deps", "--no-index"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "monai_vlsm", source / "monai_vlsm", ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", str(source), "--no-build-isolation", "--wheel-dir", str(out))
    (built,) = out.glob("monai_vlsm-*.whl")
    return built


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    listed = subprocess.run(["git", "ls-files", "monai_vlsm"], capture_output=True, text=True, check=True, cwd=ROOT)
    files = set(listed.stdout.splitlines())
    needed = ("py.typed", "networks/tiny/model.safetensors", "bundle/template/configs/train.json")
    assert {f"monai_vlsm/{name}" for name in needed} <= files
    with zipfile.ZipFile(wheel) as archive:
        assert files == {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}


def test_the_readme_is_the_description(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    assert metadata["Description-Content-Type"] == "text/markdown"
    description = metadata.get_payload(decode=True)
    assert description.decode().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    pip("install", str(wheel), "--target", str(folder))
    return folder


def run(command: list[str], site: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


@pytest.mark.parametrize(
    ("call", "name"),
    [([sys.executable, "-m", "monai_vlsm"], "python -m monai_vlsm"), (["monai-vlsm"], "monai-vlsm")],
    ids=["module", "script"],
)
def test_the_command_line_can_be_called_in_two_ways(site, tmp_path, call, name):
    command = [str(site / "bin" / call[0])] if call == ["monai-vlsm"] else call
    assert run([*command, "--help"], site, tmp_path).stdout.startswith(f"usage: {name} ")
    assert run([*command, "--version"], site, tmp_path).stdout == f"monai_vlsm {version_of(site)}\n"


def version_of(site: Path) -> str:
    (folder,) = site.glob("monai_vlsm-*.dist-info")
    return folder.name.removeprefix("monai_vlsm-").removesuffix(".dist-info")


def test_the_installed_wheel_predicts_in_another_folder(site, tmp_path):
    done = run([sys.executable, str(ROOT / "tests" / "wheel_check.py")], site, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{site / 'monai_vlsm'} (40, 60)"
