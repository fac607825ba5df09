"""Folders: whether something is in the place of one, and where what was fetched is kept."""

from __future__ import annotations

import os
from pathlib import Path

from monai_vlsm.data.datalist import DATALIST_NAME, read_description
from monai_vlsm.errors import DataError


def is_free(out: Path) -> bool:
    """Tell whether there is nothing in the place of folder ``out``, or an empty folder."""
    return not out.exists() or (out.is_dir() and not any(out.iterdir()))


def is_there(out: Path, description: str) -> bool:
    """Tell whether ``out`` holds the data set that ``description`` names (True) or is free (False).

    Raises:
        DataError: if it holds something else; nothing is changed then.
    """
    if is_free(out):
        return False
    found = read_description(out) if (out / DATALIST_NAME).is_file() else None
    if found == description:
        return True
    holds = f"another data set ({found!r})" if found else "other files"
    raise DataError(
        f"expected {str(out)!r} to be free or to hold {description!r}, but it holds {holds}. "
        "Nothing was changed: choose another folder, or remove this one first."
    )


def cache_folder(name: str) -> Path:
    """Return the folder of what was fetched, of one kind: below ``~/.cache``, or an absolute ``XDG_CACHE_HOME``."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return Path(given if os.path.isabs(given) else os.path.expanduser("~/.cache"), "monai_vlsm", name)
