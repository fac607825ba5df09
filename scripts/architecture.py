"""Draw the rooms of the package and what they import into docs/architecture.md, or check that it is in step."""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "monai_vlsm"
DRAWING = ROOT / "docs" / "architecture.md"

FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "runtime"),
    ("rules",),
    ("cluster", "data", "networks.blocks", "statistics"),
    ("data.sets", "data.check", "data.phantom", "dicom", "networks", "pages"),
    ("data.prepare", "bundle", "transforms"),
    ("calibration",),
    ("inferers", "engines", "datasets", "custom_data"),
    ("handlers",),
    ("exporting", "predictor", "reports", "tuning"),
    ("predicting", "monai_label"),
    (PACKAGE, "commands"),
    ("__main__",),
)
"""The rooms, from the ground up; ``monai_vlsm`` is the face. A room imports from floors below its own only."""

HEAD = """# Rooms of the package

Made by `python scripts/architecture.py` from the import statements, and held in step by `tests/test_structure.py`.
Imports go down only; neither modules nor rooms import each other in a circle. `data`, `data.*`, `dicom`,
`bundle`, `calibration` and `pages` import no PyTorch.

An arrow reads "imports"; where a room imports another through a third, only the longer way is drawn.
"""


def modules() -> dict[str, Path]:
    """Return the file of every module of the package, by full name. What is copied (templates, the app) is none."""
    files = (file for file in sorted((ROOT / PACKAGE).rglob("*.py")) if file.parent.name not in ("template", "app"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def import_graph() -> dict[str, set[str]]:
    """Return the modules that each module names in import statements, those inside functions included."""
    files = modules()
    return {name: set(_imported(name, file, files)) - {name} for name, file in files.items()}


def _imported(name: str, file: Path, files: Mapping[str, Path]) -> Iterator[str]:
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            for alias in node.names:
                found = next((full for full in (f"{base}.{alias.name}", base) if full in files), None)
                if found:
                    yield found


def room_of(module: str) -> str:
    """Return the room that a module belongs to: the longest name on ``FLOORS`` that it begins with."""
    inside = module.removeprefix(f"{PACKAGE}.")
    rooms = [room for floor in FLOORS for room in floor if inside == room or inside.startswith(f"{room}.")]
    if not rooms:
        raise ValueError(f"{module!r} belongs to no room: add its room to FLOORS in {Path(__file__).name}.")
    return max(rooms, key=len)


def room_graph() -> dict[str, set[str]]:
    """Return the rooms that each room imports."""
    graph: dict[str, set[str]] = {room: set() for floor in FLOORS for room in floor}
    for name, imported in import_graph().items():
        graph[room_of(name)] |= {room_of(other) for other in imported} - {room_of(name)}
    return graph


def drawing() -> str:
    """Return the text of docs/architecture.md."""
    graph = room_graph()
    lines = [HEAD, "```mermaid", "flowchart TD"]
    for floor in reversed(FLOORS):
        lines += [f'    {_node(room)}["{room}"]' for room in floor]
    for room in (room for floor in reversed(FLOORS) for room in floor):
        lines += [f"    {_node(room)} --> {_node(other)}" for other in sorted(_direct(graph, room))]
    lines += ["```", "", "| floor | room | what it is | imports |", "|---|---|---|---|"]
    for number, floor in reversed(tuple(enumerate(FLOORS))):
        lines += [f"| {number} | `{room}` | {_purpose(room)} | {_listed(graph[room])} |" for room in floor]
    return "\n".join(lines) + "\n"


def _node(room: str) -> str:
    return room.strip("_").replace(".", "_")


def _direct(graph: Mapping[str, set[str]], room: str) -> set[str]:
    """Leave out what ``room`` reaches through another room that it imports."""
    return {other for other in graph[room] if not any(other in _below(graph, way) for way in graph[room] - {other})}


def _below(graph: Mapping[str, set[str]], room: str) -> set[str]:
    return graph[room].union(*(_below(graph, other) for other in graph[room]))


def _purpose(room: str) -> str:
    docstring = ast.get_docstring(ast.parse(modules()[_full_name(room)].read_text(encoding="utf-8"))) or ""
    return docstring.splitlines()[0].replace("``", "`").replace("|", "\\|")


def _full_name(room: str) -> str:
    return room if room == PACKAGE else f"{PACKAGE}.{room}"


def _listed(rooms: set[str]) -> str:
    return ", ".join(f"`{room}`" for room in sorted(rooms))


def main() -> int:
    """Run the command line; the exit status is 1 if --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, tell whether the drawing is in step")
    if not parser.parse_args().check:
        DRAWING.write_text(drawing(), encoding="utf-8")
        return 0
    in_step = DRAWING.is_file() and DRAWING.read_text(encoding="utf-8") == drawing()
    print("in step" if in_step else f"out of step: run 'python scripts/{Path(__file__).name}'")
    return int(not in_step)


if __name__ == "__main__":
    sys.exit(main())
