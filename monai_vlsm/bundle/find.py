"""Find a bundle by what a person calls it."""

from __future__ import annotations

from pathlib import Path


def find_bundle(bundle: str) -> Path:
    """Return ``bundle`` itself if it is the folder of a bundle, else ``bundles/NAME``, which need not be there."""
    return Path(bundle) if (Path(bundle) / "configs").is_dir() else Path("bundles") / bundle
