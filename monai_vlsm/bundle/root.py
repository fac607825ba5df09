"""The bundle that MONAI is running, wherever it was started: its folder, and the values it was given."""

from __future__ import annotations

import os
import re
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from monai_vlsm.bundle.released import is_plain, released
from monai_vlsm.bundle.trust import CONFIGS, REPLACED
from monai_vlsm.errors import DataError
from monai_vlsm.rules import require_value

_ALIKE = 0.8
"""How alike a key must be to one of the template's to be taken for it misspelt, as difflib measures it."""
_DEPLOY_OPERATOR = ("monai.deploy.operators.monai_bundle_inference_operator", "MonaiBundleInferenceOperator")
_OWN_CHOICE = ("cache_dir", "checkpoint", "output_dir", "bundle_root")
"""Places that are restricted in strangers' bundles only."""


def bundle_root(name: str) -> str:
    """Return the folder of a bundle, for the key ``bundle_root`` of its configurations.

    It is the one that ``monai.bundle run`` was given a configuration of, or that MONAI Deploy runs; neither tells
    expressions, so it is looked up among the functions that are being called. Where MONAI evaluates a configuration
    without such a run (its checks and exports), it is ``bundles/NAME``, or else the working directory.

    Args:
        name: of the bundle.
    """
    configs = Path(getattr(running_workflow(), "config_root_path", ""))
    if configs.name == "configs":
        return str(configs.parent)
    deployed = getattr(_caller(*_DEPLOY_OPERATOR), "bundle_path", None)
    return _by_name(name) if deployed is None else str(deployed)


def require_usable_values() -> None:
    """Make sure that what MONAI is running can use its values, those of the command line among them.

    Raises:
        DataError: if a value is not what its key may hold, or if nothing uses a key that looks like another misspelt.
    """
    workflow = running_workflow()
    config = {} if workflow is None else workflow.parser.config
    known = [released(f"{name}.json") for name in CONFIGS]
    rules = {key: rule for template in known for key, rule in template.rules.items()}
    for key in config.keys() & rules.keys() - set(_OWN_CHOICE):
        value = config[key]
        is_value = isinstance(value, bool | int | float | str | list | None) and is_plain(value)
        is_default = value is None and any(template.has((key,), None) for template in known)
        if is_value and not is_default:
            require_value(rules[key], value, key)
    keys = {key for template in known for key in template.template}
    for key in config.keys() - keys:
        meant = [REPLACED[key][0]] if key in REPLACED else get_close_matches(key, keys, 1, _ALIKE)
        if meant and not re.search(rf"@{re.escape(key)}\b", str(config)):
            raise DataError(f"nothing uses the key {key!r}: did you mean {meant[0]!r}?")


def running_workflow() -> Any:
    """Return MONAI's ``ConfigWorkflow`` that is evaluating this expression, or None."""
    return _caller("monai.bundle.workflows", "ConfigWorkflow")


def _caller(module: str, kind: str) -> Any:
    """Return the innermost object of a class, if that was ever imported, whose method is being called, or None."""
    known = getattr(sys.modules.get(module), kind, None)
    frame = sys._getframe()
    while known is not None and frame.f_back is not None:
        frame = frame.f_back
        caller = frame.f_locals.get("self")
        if isinstance(caller, known):
            return caller
    return None


def _by_name(name: str) -> str:
    folder = os.path.join("bundles", name)
    return folder if os.path.isdir(folder) else "."
