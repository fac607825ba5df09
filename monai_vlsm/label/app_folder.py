"""Prepare the folder of a MONAI Label app: its code, and a copy of each bundle that learns from the annotations."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser

from monai_vlsm.bundle.fill import filled_template, installed_versions
from monai_vlsm.data.datasets import DATASETS
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import load_checkpoint
from monai_vlsm.predictor import bundle_config

CODE = Path(__file__).parent / "main.py"


def write_app(folder: Path) -> None:
    """Write MONAI Label's sample app for bundles into ``folder``, with our ``main.py`` on top of its own.

    Raises:
        MissingFileError: if MONAI Label is not installed in this environment.
        DataError: if it cannot write its sample app.
    """
    if importlib.util.find_spec("monailabel") is None:
        raise MissingFileError(
            f"MONAI Label is not installed beside {sys.executable!r}. scripts/label_env.sh makes an environment with "
            "it (.venv-label); run this command with the python of that environment."
        )
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "monailabel.main", "apps", "--download", "--name", "monaibundle"]
        done = subprocess.run([*command, "--output", temporary], capture_output=True, text=True, check=False)
        if done.returncode:
            raise DataError(f"MONAI Label cannot write its app 'monaibundle': {(done.stdout + done.stderr).strip()}")
        sample = Path(temporary) / "monaibundle"
        (sample / "main.py").rename(sample / "monaibundle.py")
        shutil.copytree(sample, folder, dirs_exist_ok=True)
    shutil.copy(CODE, folder / "main.py")


def add_bundle(folder: Path, bundle: str, backbone: str | None = None, untrained: bool = False) -> tuple[str, str]:
    """Copy a bundle into the app in ``folder``, unless it is there, and load its model once to see that it fits.

    Args:
        folder: of the app.
        bundle: folder of a bundle, or the name of one: ``bundles/NAME``, or a new one of that data set.
        backbone: in place of the bundle's own; written into the copy's configurations.
        untrained: whether a bundle without ``models/model.pt`` gets one with adapters as they are before training.

    Returns:
        The name of the model on the server, and what was done, in words.

    Raises:
        MissingFileError: if there is no such bundle, or it has no ``models/model.pt``.
        DataError: if its checkpoint does not fit.
    """
    source = Path(bundle) if Path(bundle).is_dir() else Path("bundles") / bundle
    name = Path(bundle).resolve().name if Path(bundle).is_dir() else bundle
    copy = folder / "model" / name
    checkpoint = copy / "models" / "model.pt"
    if checkpoint.is_file():
        done = f"was in {copy} already and stays as it is, with what it has learned"
    else:
        _copy_bundle(source, name, copy)
        done = f"copied to {copy}"
    if backbone is not None:
        _set_backbone(copy, backbone)
    if not checkpoint.is_file():
        _begin_untrained(checkpoint, _network(copy), untrained)
        done += "; UNTRAINED: its masks mean nothing before you have labelled and trained"
    load_checkpoint(_network(copy), checkpoint)
    return name, done


def server_command(folder: Path, studies: Path, models: Sequence[str], host: str, port: int) -> list[str]:
    """Return the command that serves the app; with these settings it needs no network."""
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(folder), "--studies", str(studies)]
    command += ["--host", host, "--port", str(port), "--conf", "models", ",".join(models)]
    return [*command, "--conf", "zoo_source", "ngc", "--conf", "sam2", "false"]


def _copy_bundle(source: Path, name: str, copy: Path) -> None:
    if source.is_dir():
        bundle_config(source, "inference")
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("eval"), dirs_exist_ok=True)
    elif name in DATASETS:
        for path, text in filled_template(DATASETS[name], installed_versions()).items():
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            (copy / path).write_text(text, encoding="utf-8")
    else:
        raise MissingFileError(
            f"there is no bundle {name!r}: no folder {str(source.absolute())!r}, and no data set of that name "
            f"(there are {', '.join(DATASETS)})."
        )


def _set_backbone(copy: Path, backbone: str) -> None:
    for name in ("train", "inference"):
        path = bundle_config(copy, name)
        config = {**json.loads(path.read_text(encoding="utf-8")), "backbone": backbone}
        path.write_text(json.dumps(config, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _begin_untrained(checkpoint: Path, network: Any, untrained: bool) -> None:
    if not untrained:
        raise MissingFileError(
            f"there is no trained model {str(checkpoint)!r}, and none where the bundle comes from. Choose one:\n"
            "  1. train it first:  python -m monai.bundle run training --config_file bundles/NAME/configs/train.json\n"
            "  2. begin without:  --untrained; its masks mean nothing before you have labelled and trained"
        )
    checkpoint.parent.mkdir(exist_ok=True)
    torch.save({"model": network.state_dict()}, checkpoint)


def _network(bundle: Path) -> Any:
    parser = ConfigParser()
    parser.read_config(bundle_config(bundle, "inference"))
    return parser.get_parsed_content("network_def")
