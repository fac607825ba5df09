"""Methods whose packages are here."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

import pytest

_NEEDED = {"lora": "peft", "swin_unetr": "einops"}


def installed(methods: Iterable[str]) -> list:
    """Return parameters for tests of methods, which are skipped where a package is missing."""
    missing = {name: package for name, package in _NEEDED.items() if find_spec(package) is None}
    return [
        pytest.param(name, marks=pytest.mark.skipif(name in missing, reason=f"{missing.get(name)} is not installed"))
        for name in methods
    ]
