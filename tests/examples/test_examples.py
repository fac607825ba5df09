"""The examples run as they are, and notebooks are made from scripts that run."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import monai_vlsm as vlsm
from monai_vlsm.data.phantom import write_phantom

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a phantom of few images."""
    folder = tmp_path_factory.mktemp("examples")
    write_phantom(folder / "data" / "phantom", {"training": 8, "validation": 1, "test": 4}, progress=False)
    return folder


@pytest.fixture(autouse=True)
def _work_there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def run(monkeypatch, name: str, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.mark.parametrize("method", ["shallow", "dense"])
def test_the_loop_trains_saves_loads_and_measures(method, monkeypatch, capsys, folder):
    run(monkeypatch, "train_loop.py", "--epochs", "2", "--method", method)
    printed = capsys.readouterr().out
    assert "trainable parameters: " in printed
    losses = [float(loss) for loss in re.findall(r"epoch \d: loss (\S+)", printed)]
    assert losses[1] < losses[0]
    assert re.fullmatch(r"Dice 0\.\d{3} on \d+ test masks", printed.splitlines()[-1])
    assert (folder / "adapters.pt").is_file()


def test_the_notebooks_script_runs_on_what_the_loop_left(monkeypatch, capsys, folder):
    run(monkeypatch, "train_loop.py", "--epochs", "1")
    run(monkeypatch, "many_prompts.py")
    assert re.search(r"^mass: Dice \d\.\d{3}$", capsys.readouterr().out, re.MULTILINE)
    assert (folder / "many_prompts.png").is_file()


def test_the_python_in_the_readme_runs_as_it_is(folder):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shutil.copy(next((folder / "data" / "phantom" / "images").glob("*.png")), folder / "case.png")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["cyst"].mask.shape == names["mass"].mask.shape
    assert f"# {vlsm.trainable_summary(names['network'])}\n" in code


def test_notebooks_are_in_step_with_their_scripts():
    assert NOTEBOOKS
    command = [sys.executable, str(ROOT / "scripts" / "notebooks.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_has_the_code_of_its_script_and_no_output(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = path.with_suffix(".py").read_text(encoding="utf-8")
    assert len(code) > 2
    assert all(part in script for part in code)
    assert not [cell for cell in cells if cell.get("outputs")]
