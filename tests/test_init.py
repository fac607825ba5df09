"""The face of the package: what ``import monai_vlsm`` gives, and what it costs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

import monai_vlsm

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "monai_vlsm" / "__init__.py"
NAMES = [name for name in monai_vlsm.__all__ if name != "__version__"]


def in_a_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def declared_version() -> str:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup["metadata"]["version"]


def test_importing_the_package_takes_less_than_a_tenth_of_a_second():
    code = "from time import perf_counter as t; start = t(); import monai_vlsm; print(t() - start)"
    # The fastest of three: what else the machine does is not to be measured.
    assert min(float(in_a_new_process(code)) for _ in range(3)) < 0.1


@pytest.mark.parametrize("package", ["torch", "monai", "numpy", "transformers", "PIL"])
def test_importing_the_package_takes_no_heavy_one_with_it(package):
    assert in_a_new_process(f"import sys, monai_vlsm; print({package!r} in sys.modules)") == "False"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_face_is_the_object_of_its_module(name):
    home = import_module(f"monai_vlsm.{monai_vlsm._HOMES[name]}")
    assert getattr(monai_vlsm, name) is getattr(home, name)
    assert name in getattr(home, "__all__", [name]), f"{home.__name__} does not show it as its own"


def test_a_star_import_gives_all_names():
    found = in_a_new_process("from monai_vlsm import *; print(*sorted(set(dir()) - {'annotations'}))").split()
    assert NAMES
    assert set(monai_vlsm.__all__) <= set(found)


def test_names_are_offered_before_they_are_imported():
    assert set(monai_vlsm.__all__) <= set(in_a_new_process("import monai_vlsm; print(*dir(monai_vlsm))").split())


def test_type_checkers_see_the_names_that_python_sees():
    blocks = [node for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body if isinstance(node, ast.If)]
    (checked,) = [node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING"]
    seen = {
        alias.name: node.module.removeprefix("monai_vlsm.")
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == monai_vlsm._HOMES


@pytest.mark.parametrize("name", ["predictr", "torch", "_private"])
def test_a_name_that_is_not_there_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"module 'monai_vlsm' has no attribute '{name}'"):
        getattr(monai_vlsm, name)


def test_the_version_is_the_installed_one():
    assert monai_vlsm.__version__ == declared_version(), "installed anew since setup.cfg changed? scripts/setup_env.sh"


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("CITATION.cff", r"^version: (.+)$"),
        ("CHANGELOG.md", r"^## (\d\S*)"),
        ("bundles/busi/configs/metadata.json", r'"version": "(.+)"'),
    ],
)
def test_every_file_names_the_same_version(file, pattern):
    found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert found[1] == declared_version()


@pytest.mark.parametrize("name", ["__future__", "typing", "importlib.metadata", "argparse", "torch"])
def test_a_module_in_the_working_directory_is_not_run(name, tmp_path):
    path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit('code of the working directory was run')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "monai_vlsm", "--version"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
