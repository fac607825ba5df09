"""Tell whether what a label server runs is still what was checked when it was prepared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from monai_vlsm.data.names import CACHE_FOLDER
from monai_vlsm.errors import DataError

_CHANGING = ("models", "eval", CACHE_FOLDER)
"""Folders of a bundle to which training writes: weights and arrays, loaded as data only, and its results."""
DERIVED = Path("configs", "monailabel_train.json")
"""MONAI Label writes it into a bundle, anew before each training on several GPUs."""


def digest_of(app: Path, models: Iterable[str]) -> str:
    """Return the SHA-256 of the code of an app, and of all that its bundles have besides weights and results.

    Args:
        app: folder that ``label-app`` wrote.
        models: names of the bundles that it serves.
    """
    digest = hashlib.sha256()
    for path in sorted({*app.rglob("*.py"), *(file for name in models for file in _files(app / "model" / name))}):
        content = b"link" if path.is_symlink() else path.read_bytes()
        digest.update(f"{path.relative_to(app).as_posix()}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()


def require_unchanged(app: Path, models: Iterable[str], digest: str) -> None:
    """Raise a DataError unless the app and its bundles are those of :func:`digest_of`."""
    if digest_of(app, models) != digest:
        raise DataError(
            f"a configuration or a file of code in {str(app)!r} is another than the one that was checked. If you "
            "changed it, run 'python -m monai_vlsm label-app' again, which checks it, and start the server anew."
        )


def _files(bundle: Path) -> Iterator[Path]:
    for path in bundle.rglob("*"):
        inside = path.relative_to(bundle)
        if inside.parts[0] not in _CHANGING and inside != DERIVED and (path.is_file() or path.is_symlink()):
            yield path
