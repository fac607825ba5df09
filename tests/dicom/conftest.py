"""The corpus, written once."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom.corpus import CASES, write_series


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("corpus")
    paths = {name: folder / f"{name}.dcm" for name in CASES}
    for name, path in paths.items():
        CASES[name].write(path)
    return paths


@pytest.fixture(scope="session")
def series(tmp_path_factory) -> list[Path]:
    """Five axial slices in their order."""
    return write_series(tmp_path_factory.mktemp("series") / "ct")
