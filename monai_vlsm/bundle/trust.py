"""Strangers' bundles: their JSON may hold values, but only the code that this package's template has at that place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.machinery import all_suffixes
from itertools import zip_longest
from pathlib import Path
from typing import Any

from monai_vlsm.bundle.fill import TEMPLATE
from monai_vlsm.errors import DataError

OWN_BACKBONE = "$os.path.join(@bundle_root, 'models', 'backbone')"
"""The key ``backbone`` of a bundle that holds its backbone; the one expression that the template lacks."""

_CODE = ("$", "%", "@")
"""How a string begins that MONAI evaluates, takes from another file, or replaces by what another key makes."""
_ABSENT = object()
_LOGGING = TEMPLATE / "configs" / "logging.conf"


def read_without_foreign_code(path: str | Path) -> dict[str, Any]:
    """Read a configuration of a bundle and make sure that the template of the same name has all code in it.

    The caller must use what is returned, not read the file again.

    Args:
        path: for example ``bundles/busi/configs/inference.json``.

    Raises:
        DataError: if it is no JSON, or has a key, an expression, a ``_target_``, a reference or a macro that the
            template does not have at the same place. Nothing in it has been run.
    """
    path = Path(path)
    config = _read(path)
    template = _read(TEMPLATE / "configs" / path.name)
    if "backbone" in template:
        template["backbone"] = OWN_BACKBONE
    for found in _unknown(config, template, ""):
        raise DataError(_refusal(path, found))
    return config


def refuse_foreign_code(folder: str | Path) -> None:
    """Make sure that ``monai.bundle run`` of a bundle's inference runs no code but that of the template.

    MONAI evaluates imports in metadata.json too, opens the files that logging.conf names, and lets Python look for
    modules in the bundle's folder.

    Raises:
        DataError: as :func:`read_without_foreign_code`; or if there is code in metadata.json, a logging.conf other
            than the template's, or a Python module in the folder.
    """
    folder = Path(folder)
    read_without_foreign_code(folder / "configs" / "inference.json")
    logging, metadata = (folder / "configs" / name for name in ("logging.conf", "metadata.json"))
    if logging.is_file() and logging.read_bytes().splitlines() != _LOGGING.read_bytes().splitlines():
        raise DataError(_refusal(logging, "its text is another"))
    for key, value in _leaves(_read(metadata), "") if metadata.is_file() else ():
        if _is_code(key, value):
            raise DataError(_refusal(metadata, f"{key!r} is {value!r}"))
    for module in sorted(path for path in folder.rglob("*") if path.name.endswith(tuple(all_suffixes()))):
        raise DataError(_refusal(folder, f"{module.relative_to(folder)} is a Python module"))


def as_literal(value: str | list[str]) -> str:
    """Return an expression that MONAI evaluates to ``value`` itself, whatever ``value`` begins with or holds."""
    # MONAI also replaces @NAME, @#, %# and :: inside of strings.
    return "$" + re.sub("[@%#:]", lambda sign: f"\\x{ord(sign[0]):02x}", repr(value))


def _unknown(config: Any, template: Any, key: str) -> Iterator[str]:
    """Say which keys are missing in ``config``, or have a value that is neither the template's nor plain."""
    if isinstance(config, dict) and isinstance(template, dict):
        for name in {**config, **template}:
            yield from _unknown(config.get(name, _ABSENT), template.get(name, _ABSENT), _join(key, name))
    elif isinstance(config, list) and isinstance(template, list):
        for index, pair in enumerate(zip_longest(config, template, fillvalue=_ABSENT)):
            yield from _unknown(*pair, _join(key, index))
    elif config is _ABSENT:
        yield f"{key!r} is missing"
    elif config != template and (template is _ABSENT or isinstance(template, dict | list) or _is_code(key, config)):
        yield f"{key!r} is {config!r}"


def _is_code(key: str, value: Any) -> bool:
    """Tell whether MONAI does more with ``value`` than to take it as it is; keys like ``_target_`` say what to run."""
    if isinstance(value, list):
        return any(_is_code(key, item) for item in value)
    return key.endswith("_") or isinstance(value, dict) or (isinstance(value, str) and value.startswith(_CODE))


def _leaves(config: Any, key: str) -> Iterator[tuple[str, Any]]:
    pairs = config.items() if isinstance(config, Mapping) else enumerate(config) if isinstance(config, list) else ()
    for name, value in pairs:
        yield from _leaves(value, _join(key, name))
    if not isinstance(config, Mapping | list):
        yield key, config


def _join(key: str, name: str | int) -> str:
    return f"{key}#{name}" if key else str(name)


def _read(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise DataError(f"{str(path)!r} holds a {type(config).__name__}, not keys with values.")
    return config


def _refusal(path: Path, found: str) -> str:
    return (
        f"{str(path)!r} was refused, and nothing in it was run: {found}, unlike in the bundles of this version of "
        "monai_vlsm, and a MONAI bundle can run any code. Look at it; if you trust the people it comes from, say "
        "trust=True, or --trust on the command line."
    )
