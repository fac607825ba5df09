"""The house itself: imports without circles, small files and functions, one spelling."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 35
# Functions that are longer, and why they may be.
LONG_FUNCTIONS = {
    "monai_vlsm/data/prepare/convert.py:prepare": "the steps of preparing, one after the other",
}


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


architecture = load_script("architecture")
GRAPH: dict[str, set[str]] = architecture.import_graph()


def sources(*folders: str) -> list[Path]:
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert len(found) > 50
    return found


def test_the_graph_has_the_imports_that_are_there():
    assert len(GRAPH) > 50
    assert {"monai_vlsm.networks", "monai_vlsm.bundle", "monai_vlsm.transforms.upright"} <= GRAPH[
        "monai_vlsm.predictor"
    ]
    assert "monai_vlsm.networks.nets" in GRAPH["monai_vlsm.networks"], "relative imports count"
    assert "monai_vlsm.custom_data" in GRAPH["monai_vlsm.commands.new_bundle"], "imports inside functions count"


def test_no_module_imports_itself_through_others():
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' <- '.join(error.args[1])}")


def test_imports_go_down_only():
    floors = {room: number for number, floor in enumerate(architecture.FLOORS) for room in floor}
    rooms = {name: architecture.room_of(name) for name in GRAPH}
    upwards = [
        f"{name} (floor {floors[rooms[name]]}) imports {other} (floor {floors[rooms[other]]})"
        for name, imported in GRAPH.items()
        for other in imported
        if rooms[other] != rooms[name] and floors[rooms[other]] >= floors[rooms[name]]
    ]
    assert not upwards


def test_every_room_is_on_a_floor_once_and_has_modules():
    rooms = [room for floor in architecture.FLOORS for room in floor]
    assert len(rooms) == len(set(rooms))
    assert set(rooms) == {architecture.room_of(name) for name in GRAPH}


def heavy_imports_of(modules) -> str:
    code = f"import sys, {', '.join(modules)}; print(sorted({{'torch', 'monai', 'transformers'}} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "room",
    [
        "errors",
        "data",
        "data.sets",
        "data.prepare",
        "data.check",
        "data.phantom",
        "dicom",
        "statistics",
        "pages",
        "bundle",
        "calibration",
        "commands",
        "runtime",
    ],
)
def test_a_room_without_torch_stays_without_it(room):
    modules = [name for name in GRAPH if architecture.room_of(name) == room]
    assert modules
    assert heavy_imports_of(modules) == "[]"


def test_who_deals_out_images_needs_no_torch():
    """It would take seconds in each process that begins, of which Ray has many."""
    assert heavy_imports_of(["monai_vlsm.predicting.ray_engine", "monai_vlsm.predicting.job_file"]) == "[]"


def test_the_drawing_is_in_step_with_the_imports():
    drawn = architecture.DRAWING.read_text(encoding="utf-8")
    assert drawn == architecture.drawing(), "run 'python scripts/architecture.py'"


def test_a_module_of_no_room_is_named_with_the_way_out():
    with pytest.raises(ValueError, match=r"'monai_vlsm\.attic' belongs to no room: add its room to FLOORS"):
        architecture.room_of("monai_vlsm.attic")


def test_no_file_is_longer_than_style_allows():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources("monai_vlsm", "scripts")}
    assert not [f"{path}: {length}" for path, length in lengths.items() if length > MOST_LINES_OF_A_FILE]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield name and number of lines of each function; its docstring, which style asks for, does not count."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = node.body[0] if ast.get_docstring(node) else None
            length = (node.end_lineno or 0) - node.lineno + 1
            yield node.name, length - ((told.end_lineno or 0) - told.lineno + 1 if told else 0)


def test_no_function_is_longer_than_style_allows():
    longest = {
        f"{path.relative_to(ROOT)}:{name}": length
        for path in sources("monai_vlsm", "scripts")
        for name, length in functions(path)
        if length > MOST_LINES_OF_A_FUNCTION
    }
    assert longest.keys() <= LONG_FUNCTIONS.keys(), longest


def names_of_the_package() -> set[str]:
    """Return the full names of modules, of what they define or show, and of members of classes."""
    names = set(GRAPH)
    for module, file in architecture.modules().items():
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            names |= {f"{module}.{name}" for name in _defined(node)}
    return names


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.AnnAssign | ast.Assign):
        targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
        yield from (target.id for target in targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.ClassDef):
        yield node.name
        yield from (f"{node.name}.{name}" for member in node.body for name in _defined(member))


def test_every_role_in_a_docstring_names_something_that_is_there():
    names = names_of_the_package()
    roles = [
        (path, target.removeprefix("~").removeprefix("."))
        for path in sources("monai_vlsm")
        for target in re.findall(r":(?:class|func|meth|mod|attr|data|exc):`([^`]+)`", path.read_text(encoding="utf-8"))
    ]
    assert len(roles) > 5
    unknown = [f"{path.relative_to(ROOT)}: {target}" for path, target in roles if not _ends_one(target, names)]
    assert not unknown


def _ends_one(target: str, names: set[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for name in names)
