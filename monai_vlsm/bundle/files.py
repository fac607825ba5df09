"""Read files of a bundle that may come from a stranger: no links, nothing that blocks or never ends, no surprises."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from monai_vlsm.data.names import CACHE_FOLDER, LOCK_FILE
from monai_vlsm.errors import DataError, MissingFileError

LARGEST_TEXT = 2**20
"""Bytes of a configuration; the largest of our own has 15,000."""

_DEEPEST = 32
"""Levels of a configuration; our own have 7."""

_DOCUMENT = r"md|txt|pdf|png|jpe?g|gif|svg|csv"
_RESULT = rf"{_DOCUMENT}|html|json|jsonl|nii|nii\.gz|pt|db|log|yaml"
_KNOWN = re.compile(
    r"(.*/)?(\.DS_Store|Thumbs\.db|desktop\.ini)"  # file managers leave these, whoever looks into a folder
    r"|LICENSE|README\.md|\.gitattributes|large_files\.yml"
    r"|configs/((train|multi_gpu_train|evaluate|calibrate|inference|metadata)\.json|logging\.conf)"
    r"|configs/monailabel_train\.json"  # MONAI Label writes it, and nothing here reads it
    rf"|models/{re.escape(LOCK_FILE)}"
    rf"|docs/(.*/)?[^/]+\.({_DOCUMENT})"
    r"|models/backbone/[^/]+\.(json|txt|safetensors|bin|model)"
    r"|models/(older/)?[^/]+\.(pt|ts|onnx|json|sha256)"
    rf"|eval/(.*/)?([^/]+\.({_RESULT})|events\.out\.tfevents\.[^/]+)"
    r"|eval/mlruns/.*/[^/.]+"  # MLflow names files after parameters and metrics
    rf"|{CACHE_FOLDER}/(.*/)?[^/]+\.npy"
)
"""What the template has, what training, evaluation and sharing write, and what a person may add to read or see."""


def read_file(path: str | Path, largest: int | None = LARGEST_TEXT) -> bytes:
    """Return the content of a file, all of it from one opened file.

    Args:
        path: of a file of its own, not of a link to one.
        largest: bytes; None is without limit.

    Raises:
        MissingFileError: if there is none.
        DataError: if it is a link, a device, a pipe or a folder, cannot be read, or is larger.
    """
    # A pipe would block when it is opened, and a link could be put in its place after a look at it.
    flags = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
    try:
        if _is_link(os.lstat(path)):
            raise DataError(f"{str(path)!r} is a link: put the file itself in its place.")
        with open(path, "rb", opener=lambda name, mode: os.open(name, mode | flags)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DataError(f"{str(path)!r} is no plain file: remove it.")
            content = file.read() if largest is None else file.read(largest + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingFileError(f"there is no file {str(Path(path).absolute())!r}.") from error
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    if largest is not None and len(content) > largest:
        raise DataError(f"{str(path)!r} has more than {largest:,} bytes, too much for a file of its kind.")
    return content


def files_below(folder: str | Path, only: Container[str] | None = None) -> Iterator[str]:
    """Yield the path of each file in a bundle, relative to its folder and with ``/``.

    Args:
        folder: of the bundle. It, and those that it lies in, may be links: they are the reader's own.
        only: names in ``folder`` to look at; None is all.

    Raises:
        DataError: at a link, a device or a pipe, or at a folder that cannot be read.
    """
    yield from _files_below(str(folder), "", only)


def require_known_files(folder: str | Path) -> None:
    """Make sure that a bundle consists of files of the kinds that bundles of this package have.

    Raises:
        DataError: for another kind of file, Python modules among them, and as :func:`files_below`.
    """
    for name in files_below(folder):
        if not is_known_file(name):
            raise DataError(
                f"{str(Path(folder) / name)!r} is no file that bundles of this package have, and could be code that "
                "Python finds: move it out of the bundle, or trust the bundle (trust=True, or --trust)."
            )


def is_known_file(name: str) -> bool:
    """Tell whether a path inside a bundle, with ``/``, is one that bundles of this package may have."""
    return _KNOWN.fullmatch(name) is not None


def parse_json(content: bytes, path: str | Path) -> dict[str, Any]:
    """Return the keys and values of a JSON file.

    Args:
        content: of the file.
        path: of the file, for messages.

    Raises:
        DataError: if it is no JSON in UTF-8, holds a key twice, no keys at all, or is nested too deep.
    """
    try:
        config = json.loads(content.decode("utf-8"), object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise DataError(f"{str(path)!r} holds a {type(config).__name__}, not keys with values.")
    if _is_deeper(config, _DEEPEST):
        raise DataError(f"{str(path)!r} is nested deeper than {_DEEPEST} levels, far deeper than any of our own.")
    return config


def _files_below(folder: str, prefix: str, only: Container[str] | None = None) -> Iterator[str]:
    try:
        with os.scandir(folder) as scanned:
            entries = sorted((e for e in scanned if only is None or e.name in only), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"the folder {folder!r} of the bundle cannot be read: {error.strerror}.") from error
    for entry in entries:
        facts = entry.stat(follow_symlinks=False)
        if _is_link(facts):
            raise DataError(f"{entry.path!r} is a link: put the file or folder itself in its place.")
        if stat.S_ISDIR(facts.st_mode):
            yield from _files_below(entry.path, f"{prefix}{entry.name}/")
        elif stat.S_ISREG(facts.st_mode):
            yield prefix + entry.name
        else:
            raise DataError(f"{entry.path!r} is no plain file: remove it.")


def _is_link(facts: os.stat_result) -> bool:
    """Tell whether a file leads elsewhere; on Windows other reparse points do, too."""
    attributes = getattr(facts, "st_file_attributes", 0)
    return stat.S_ISLNK(facts.st_mode) or bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT)


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    return not levels or any(_is_deeper(i, levels - 1) for i in (value.values() if isinstance(value, dict) else value))


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return what ``json`` found in braces, or raise a ValueError if a key is there twice."""
    keys = [key for key, _ in pairs]
    repeated = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    if repeated is not None:
        raise ValueError(f"it has the key {repeated!r} twice")
    return dict(pairs)
