"""Strangers' bundles: only their values are used, in this version's own template; other code in them is refused.

A bundle is accepted where every expression, reference and ``_target_`` in it is one that a released version of this
package had at that key. What runs then is the template of the running version with the values of the bundle.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from monai_vlsm.bundle.files import parse_json, read_file, require_known_files
from monai_vlsm.bundle.released import (
    OWN_BACKBONE,
    Place,
    Released,
    is_blank,
    is_plain,
    leaves,
    logging_texts,
    released,
)
from monai_vlsm.bundle.values import RULES
from monai_vlsm.errors import DataError
from monai_vlsm.rules import require_value, shortened

EVERYWHERE = ("inference", "train", "evaluate", "multi_gpu_train")
"""Configurations that bundles of every version have."""
CONFIGS = (*EVERYWHERE, "calibrate")
"""Configurations that MONAI runs."""

MOVED: dict[Place, str] = {
    ("network_def", "bottleneck"): "bottleneck",
    ("network_def", "adapt_vision"): "adapt_vision",
    ("network_def", "adapt_text"): "adapt_text",
    ("network_def", "adapt_cond"): "adapt_cond",
    ("loss", "lambda_dice"): "lambda_dice",
    ("loss", "lambda_ce"): "lambda_ce",
    ("early_stop", "min_delta"): "min_delta",
}
"""Values that people changed where 0.1.0 had them, and their top-level keys of today.

A configuration that lacks the key does without it: in inference the checkpoint knows how its network is built.
"""

REPLACED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "amp": ("precision", lambda amp: "auto" if amp else "float32"),
    "cache_rate": ("cache", lambda rate: "memory" if rate else "none"),
}
"""Top-level keys of older versions, the keys that took their place, and what their values mean there."""

NEWER: dict[str, Any] = {"negative_fraction": 0, "absent_prompts": []}
"""Values that a bundle has of its own, and what counts where an older version wrote it without them."""


def read_without_foreign_code(path: str | Path) -> dict[str, Any]:
    """Read a configuration of a bundle, and return this version's template with the values of the bundle in it.

    The caller must use what is returned, not read the file again.

    Args:
        path: for example ``bundles/busi/configs/inference.json``.

    Raises:
        MissingFileError: if it is not there.
        DataError: if it is a link or no JSON; if it has a key, an expression, a ``_target_``, a reference or a macro
            that no release has at the same place; or if a value is not what its key may hold. Nothing in it has been
            run.
    """
    path = Path(path)
    return without_foreign_code(path.name, parse_json(read_file(path), path), path)


def without_foreign_code(name: str, config: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """Return this version's template with the values of a configuration, as :func:`read_without_foreign_code`.

    Args:
        name: of the template, such as ``inference.json``.
        config: what was read.
        path: of the file, for messages.
    """
    known = released(name)
    values = {key: value for key, value in config.items() if key in known.rules and is_plain(value)}
    moved = {place: value for place in MOVED if (value := _moved(config, place, known)) is not None}
    for found in _foreign({key: value for key, value in config.items() if key not in values}, known, moved):
        raise DataError(_refusal(path, found))
    for key, value in values.items():
        if not (value is None and known.has((key,), None)):
            require_value(known.rules[key], value, key, path)
    for place, value in moved.items():
        require_value(RULES[MOVED[place]], value, _text_of(place), path)
        values[MOVED[place]] = value
    for key, (successor, meaning) in REPLACED.items():
        if key in values:
            values.setdefault(successor, meaning(values[key]))
    for key, value in known.template.items():
        if key not in config and key in NEWER:
            values[key] = NEWER[key]
        elif key not in config and is_blank(value):
            raise DataError(_refusal(path, f"{key!r} is missing"))
    if config.get("backbone") == OWN_BACKBONE:
        values["backbone"] = OWN_BACKBONE
    # What an older version had and this one lacks has no meaning here.
    return {**copy.deepcopy(known.template), **{key: values[key] for key in known.template if key in values}}


def refuse_foreign_code(folder: str | Path) -> None:
    """Make sure that MONAI runs no code of a bundle but that of a released template, whatever it runs of it.

    MONAI evaluates imports in metadata.json too, opens the files that logging.conf names, and lets Python look for
    modules in the bundle's folder.

    Raises:
        DataError: as :func:`read_without_foreign_code`; or if there is code in metadata.json, a logging.conf that no
            release has, a link, or a file of a kind that bundles do not have, such as a Python module.
    """
    folder = Path(folder)
    require_known_files(folder)
    names = ("metadata.json", "logging.conf", *(f"{name}.json" for name in CONFIGS))
    paths = (folder / "configs" / name for name in names)
    refuse_foreign_texts({f"configs/{path.name}": read_file(path) for path in paths if path.is_file()}, folder)


def refuse_foreign_texts(files: Mapping[str, bytes], folder: str | Path) -> None:
    """Make sure of the same as :func:`refuse_foreign_code` for files that have been read.

    Args:
        files: content by path inside the bundle; only those in ``configs`` matter.
        folder: of the bundle, for messages.
    """
    for file, content in files.items():
        if file.startswith("configs/"):
            _refuse_foreign_text(file.removeprefix("configs/"), content, Path(folder) / file)


def as_literal(value: str | list[str] | float | None) -> Any:
    """Return what MONAI evaluates to ``value`` itself, whatever a text in it begins with or holds."""
    if not isinstance(value, str | list):
        return value
    # MONAI also replaces @NAME, @#, %# and :: inside of strings.
    return "$" + re.sub("[@%#:]", lambda sign: f"\\x{ord(sign[0]):02x}", repr(value))


def _refuse_foreign_text(name: str, content: bytes, path: Path) -> None:
    if name.removesuffix(".json") in CONFIGS:
        without_foreign_code(name, parse_json(content, path), path)
    elif name == "metadata.json":
        for found in _code_in_metadata(parse_json(content, path)):
            raise DataError(_refusal(path, found))
    elif name != "logging.conf":
        raise DataError(_refusal(path, "it is there"))
    elif content.splitlines() not in map(bytes.splitlines, logging_texts()):
        raise DataError(_refusal(path, "its text is another"))


def _moved(config: Mapping[str, Any], place: Place, known: Released) -> Any:
    """Return the value at a place of ``MOVED`` if it is another than the releases have there, else None."""
    part = config.get(str(place[0]))
    value = part.get(place[1]) if isinstance(part, dict) else None
    is_new = place in known.at and is_plain(value) and not isinstance(value, list) and not known.has(place, value)
    return value if is_new else None


def _foreign(config: Mapping[str, Any], known: Released, moved: Container[Place]) -> Iterator[str]:
    """Say what in ``config`` no release has at its place, and what all releases have and it has not."""
    found = dict(leaves(config))
    other = {place: value for place, value in found.items() if place not in moved and not known.has(place, value)}
    for place, value in sorted(other.items(), key=lambda pair: is_plain(pair[1])):  # code first
        if not isinstance(value, type):
            yield f"{_text_of(place)!r} is {shortened(value)}"
    for place in sorted(known.everywhere - found.keys(), key=str):
        if place[0] in config or place[0] not in known.rules:
            yield f"{_text_of(place)!r} is missing"
    for place in other:
        yield f"{_text_of(place)!r} is empty"


def _code_in_metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    for place, value in leaves(metadata):
        if any(isinstance(name, str) and name.endswith("_") for name in place) or not is_plain(value):
            yield f"{_text_of(place)!r} is {shortened(value)}"


def _text_of(place: Place) -> str:
    return "#".join(map(str, place))


def _refusal(path: str | Path, found: str) -> str:
    return (
        f"{str(path)!r} was refused, and nothing in it was run: {found}, unlike in the bundles of any released version "
        "of monai_vlsm, and a MONAI bundle can run any code. Look at it; if you trust the people it comes from, say "
        "trust=True, or --trust on the command line."
    )
