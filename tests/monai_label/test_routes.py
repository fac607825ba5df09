"""How the routes of the server are written, read from their source: MONAI Label is not needed for it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from monai_vlsm import monai_label

FOLDER = Path(monai_label.__file__).parent
FILES = [FOLDER / "api.py", *sorted((FOLDER / "routes").glob("*.py"))]
ROUTES = {
    f"{path.stem}.{node.name}": node
    for path in FILES
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    and any(".get(" in text or ".p" in text or ".delete(" in text for text in map(ast.unparse, node.decorator_list))
}
ANSWERED_AT_ONCE = {"login.login_wanted", "login.log_in", "login.token_is_valid"}
"""They neither read files nor wait for anything."""


@pytest.mark.parametrize("route", sorted(ROUTES.keys() - ANSWERED_AT_ONCE))
def test_a_route_that_waits_for_nothing_runs_in_a_thread(route):
    node = ROUTES[route]
    assert isinstance(node, ast.FunctionDef) or any(isinstance(part, ast.Await) for part in ast.walk(node)), (
        "it would keep all other requests waiting: write 'def', not 'async def'"
    )
