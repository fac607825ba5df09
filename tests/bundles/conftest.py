"""A small phantom and copies of bundles to run on it, so that no test writes into the repository."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles.quick import ROOT
from monai.bundle import ConfigParser, run

from monai_vlsm.data.phantom import write_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, {"training": 6, "validation": 3, "test": 3}, progress=False)
    return str(folder)


@pytest.fixture(scope="module")
def train(request, tmp_path_factory, phantom) -> Callable[..., Path]:
    """Train a copy of the phantom bundle with ``OPTIONS`` of the module and others, and return its folder."""

    def start(root: Path | None = None, **options: Any) -> Path:
        if root is None:
            root = tmp_path_factory.mktemp("bundle") / "phantom"
            ignored = shutil.ignore_patterns("eval", "models", "cache")
            shutil.copytree(ROOT / "bundles" / "phantom", root, ignore=ignored)
        values = {"bundle_root": str(root), "dataset_dir": phantom, **request.module.OPTIONS, **options}
        run(run_id="training", config_file=str(root / "configs" / "train.json"), **values)
        return root

    return start


@pytest.fixture
def bundle(tmp_path) -> Callable[[str], Path]:
    def copy(name: str) -> Path:
        return Path(
            shutil.copytree(ROOT / "bundles" / name, tmp_path / name, ignore=shutil.ignore_patterns("eval", "models"))
        )

    return copy


@pytest.fixture
def configs() -> Callable[..., list[str]]:
    def paths(root: Path, *names: str) -> list[str]:
        return [str(root / "configs" / f"{name}.json") for name in names]

    return paths


@pytest.fixture
def parse(configs) -> Callable[..., ConfigParser]:
    def read(root: Path, *names: str, **overrides: Any) -> ConfigParser:
        parser = ConfigParser()
        parser.read_config(configs(root, *names))
        parser.update({"bundle_root": str(root), **overrides})
        return parser

    return read
