"""Change a bundle as a person or a stranger would."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
OLD = Path(__file__).parent / "phantom_0.1.0"
"""The configurations of the bundle phantom as version 0.1.0 wrote them."""


def give_model(bundle: Path, model: Path) -> Path:
    (bundle / "models").mkdir(exist_ok=True)
    shutil.copy(model, bundle / "models" / "model.pt")
    return bundle


def edit(bundle: Path, change: Callable[[dict], object], name: str = "inference") -> Path:
    path = bundle / "configs" / f"{name}.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path
