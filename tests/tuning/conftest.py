"""A search over a bundle that trains in a second, done in this process or by the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bundles.quick import BUNDLE, QUICK, ROOT

from monai_vlsm.bundle import read_without_foreign_code
from monai_vlsm.cluster import Pool, Surroundings, answer_to
from monai_vlsm.data.phantom import write_phantom
from monai_vlsm.tuning.space import Space, read_space

SPACE = {**QUICK, "max_epochs": 3, "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """The training of a bundle."""
    return read_without_foreign_code(ROOT / "bundles" / BUNDLE / "configs" / "train.json")


@pytest.fixture(scope="session")
def phantom(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, {"training": 6, "validation": 3, "test": 3}, progress=False)
    return folder


@pytest.fixture
def read(config, tmp_path) -> Callable[..., Space]:
    """Read a space, given as the content of its file."""

    def of(content: Any, **changed: Any) -> Space:
        path = tmp_path / "space.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return read_space(path, {**config, **changed})

    return of


def one_after_the_other(function: Any, items: Any, chosen: Pool, surroundings: Surroundings) -> Iterator[Any]:
    """Do what ``each`` does, in this process."""
    for item in items:
        answer, failure = answer_to(function, item, surroundings)
        yield item, answer, failure
