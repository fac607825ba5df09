"""What a release leaves for later versions: its template, as data."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from monai_vlsm.bundle.fill import TEMPLATE
from monai_vlsm.bundle.trust import CONFIGS

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bundles" / "release.py"


@pytest.fixture
def release(tmp_path, monkeypatch):
    """The script, in a repository that has the template of today and nothing else."""
    specification = importlib.util.spec_from_file_location("release", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    shutil.copytree(TEMPLATE / "configs", tmp_path / module.CONFIGS)
    (tmp_path / module.RELEASED).mkdir()
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "A"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return module


def test_a_release_is_written_as_its_configurations_are_parsed(release, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["release.py", "9.9.9"])
    release.main()
    written = json.loads((tmp_path / release.RELEASED / "9.9.9.json").read_text(encoding="utf-8"))
    assert written.keys() == {*(f"{name}.json" for name in CONFIGS), "logging.conf"}
    for name, content in written.items():
        text = (TEMPLATE / "configs" / name).read_text(encoding="utf-8")
        assert content == (json.loads(text) if name.endswith(".json") else text)
