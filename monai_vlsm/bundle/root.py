"""The folder of the bundle that MONAI is running, wherever it was started."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def bundle_root(name: str) -> str:
    """Return the folder of a bundle, for the key ``bundle_root`` of its configurations.

    It is the one that ``monai.bundle run`` was given a configuration of; MONAI does not tell expressions, so it is
    looked up among the functions that are being called. Where MONAI evaluates a configuration without such a run (its
    checks and exports), it is ``bundles/NAME``, or else the working directory.

    Args:
        name: of the bundle.
    """
    workflows = sys.modules.get("monai.bundle.workflows")
    frame = sys._getframe()
    while workflows is not None and frame.f_back is not None:
        frame = frame.f_back
        caller = frame.f_locals.get("self")
        if isinstance(caller, workflows.ConfigWorkflow):
            configs = Path(getattr(caller, "config_root_path", ""))
            return str(configs.parent) if configs.name == "configs" else _by_name(name)
    return _by_name(name)


def _by_name(name: str) -> str:
    folder = os.path.join("bundles", name)
    return folder if os.path.isdir(folder) else "."
