"""Prepare the folder of a MONAI Label app: its code, and a copy of each bundle that learns from the annotations."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from monai.bundle import ConfigParser

from monai_vlsm.bundle import (
    CALIBRATION,
    MODEL,
    bundle_config,
    bundle_folder,
    bundle_model,
    bundle_parser,
    parsed_content,
    read_without_foreign_code,
    refuse_foreign_code,
)
from monai_vlsm.bundle.files import files_below, read_file
from monai_vlsm.bundle.fill import write_bundle
from monai_vlsm.bundle.trust import EVERYWHERE
from monai_vlsm.data.names import CACHE_FOLDER, LOCK_FILE, OWNER_FILE
from monai_vlsm.data.sets import DATASETS
from monai_vlsm.data.whole import file_sha256, new_folder, replace_whole
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.monai_label.address import Address
from monai_vlsm.monai_label.pinned import DERIVED, digest_of
from monai_vlsm.monai_label.prompts import ANY
from monai_vlsm.networks import METHODS, load_checkpoint
from monai_vlsm.networks.nets.prompted import PromptedNetwork

CODE = Path(__file__).parent / "app" / "main.py"
_VERSION = re.compile(r"0\.8\.([5-9]|\d\d)")
_SAMPLE = "sample-apps/monaibundle/main.py"
_LOCK = (Path("models", LOCK_FILE), Path("models", OWNER_FILE))
UNTRAINED = Path("models", "untrained.sha256")
"""Digest of a model that was never trained; training writes another model, and leaves this file."""


@dataclass(frozen=True)
class AddedBundle:
    """A bundle in the folder of an app.

    Args:
        name: of the model on the server.
        folder: of the copy that learns.
        copied: whether the copy was made now; otherwise one that was there stays, with what it has learned.
        untrained: whether its masks mean nothing before it has been trained.
    """

    name: str
    folder: Path
    copied: bool
    untrained: bool


def write_app(folder: Path) -> None:
    """Write MONAI Label's sample app for bundles into ``folder``, with our ``main.py`` on top of its own.

    Raises:
        MissingFileError: if MONAI Label is not installed in this environment.
        DataError: if it is of another version than those whose routes were looked at, or without its sample app.
    """
    try:
        monai_label = distribution("monailabel")
    except PackageNotFoundError as error:
        raise MissingFileError(
            f"MONAI Label is not installed beside {sys.executable!r}. scripts/label_env.sh makes an environment with "
            "it (.venv-label); run this command with the python of that environment."
        ) from error
    if not _VERSION.match(monai_label.version):
        raise DataError(
            f"MONAI Label is of version {monai_label.version}: expected is 0.8.5 or a later 0.8. scripts/label_env.sh "
            "makes an environment with one."
        )
    # Its own command that copies the app imports all of MONAI Label first.
    main = next((file for file in monai_label.files or () if file.as_posix().endswith(_SAMPLE)), None)
    if main is None:
        raise DataError(f"MONAI Label beside {sys.executable!r} has no {_SAMPLE!r}: install it anew.")
    sample = Path(str(main.locate())).resolve().parent
    shutil.copytree(sample, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("logs", "model", "__pycache__"))
    (folder / "main.py").replace(folder / "monaibundle.py")
    shutil.copy(CODE, folder / "main.py")


def add_bundle(
    folder: Path, bundle: str, backbone: str | None = None, untrained: bool = False, trust: bool = False
) -> AddedBundle:
    """Copy a bundle into the app in ``folder``, unless it is there, and load its model once to see that it fits.

    A copy that began untrained and has learned nothing yet gives way to a model that its bundle got since.

    Args:
        folder: of the app.
        bundle: see :func:`.bundle_folder`; or the name of a data set, whose bundle begins untrained.
        backbone: in place of the bundle's own; written into the copy's configurations.
        untrained: whether a bundle without ``models/model.pt`` gets one with adapters as they are before training.
        trust: also take what this package's own bundles do not have. It can be any code.

    Raises:
        MissingFileError: if there is no such bundle, or it has no ``models/model.pt``.
        DataError: if its checkpoint does not fit, or it has code of its own. The app is as it was before.
    """
    source = bundle_folder(bundle)
    copy = folder / "model" / _require_name(source.resolve().name)
    if backbone is not None and backbone != "tiny" and Path(backbone).expanduser().is_dir():
        backbone = str(Path(backbone).expanduser().absolute())
    keep = (copy / MODEL).is_file() and not (_is_untrained(copy) and (source / MODEL).is_file())
    if keep:
        (copy / DERIVED).unlink(missing_ok=True)
        _write_checked(copy, _check(copy, backbone, trust), backbone, trust)
    else:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(copy) as fresh:
            _copy_bundle(source, bundle, fresh)
            if not (fresh / MODEL).is_file():
                _begin_untrained(fresh, source, bundle_parser(fresh, backbone, trust), untrained)
            _write_checked(fresh, _check(fresh, backbone, trust), backbone, trust)
            shutil.rmtree(copy, ignore_errors=True)
    return AddedBundle(copy.name, copy, copied=not keep, untrained=_is_untrained(copy))


def server_command(folder: Path, studies: Path, models: Sequence[str], address: Address) -> list[str]:
    """Return the command that serves the app as it is now; with these settings it needs no network."""
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(folder), "--studies", str(studies)]
    command += ["--host", address.host, "--port", str(address.port), "--uvicorn_app", "monai_vlsm.monai_label.api:app"]
    for name, listed in (("hosts", (address.host, *address.host_names)), ("origins", address.origins)):
        command += ["--conf", name, ",".join(item.lower() for item in listed)] if listed else []
    command += (
        ["--ssl_certfile", str(address.tls.certificate), "--ssl_keyfile", str(address.tls.key)] if address.tls else []
    )
    command += ["--conf", "login", "token"] if address.login else []
    command += ["--conf", "checked", digest_of(folder, models), "--conf", "models", ",".join(models)]
    return [*command, "--conf", "zoo_source", "ngc", "--conf", "sam2", "false"]


def _require_name(name: str) -> str:
    """Return the name of a folder, if it can be part of an address and of MONAI Label's list of models."""
    if name == ANY or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise DataError(
            f"a model may be called by letters, digits and _.-, and not {ANY!r}; not {name!r}: rename the bundle's "
            "folder."
        )
    return name


def _copy_bundle(source: Path, bundle: str, copy: Path) -> None:
    if source.is_dir():
        bundle_config(source, "inference")
        names = files_below(source, {path.name for path in source.iterdir()} - {"eval", CACHE_FOLDER})
        for name in (name for name in names if Path(name) not in _LOCK):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(read_file(source / name, largest=None))
    elif bundle in DATASETS:
        write_bundle(DATASETS[bundle], copy)
    else:
        raise MissingFileError(
            f"there is no bundle {bundle!r}: no folder {str(source.absolute())!r}, and no data set of that name "
            f"(there are {', '.join(DATASETS)})."
        )


def _check(bundle: Path, backbone: str | None, trust: bool) -> PromptedNetwork:
    """Load model and calibration as the server will, from a bundle that runs no code but the template's."""
    if not trust:
        _refuse_foreign_code(bundle)
    parser = bundle_parser(bundle, backbone, trust)
    parsed_content(parser, "calibration", default=None)
    return load_checkpoint(parsed_content(parser, "network_def"), bundle_model(bundle, parser))


def _write_checked(bundle: Path, network: PromptedNetwork, backbone: str | None, trust: bool) -> None:
    """Write the configurations as they were checked, because a server reads files.

    The backbone that the model fits goes into all of them. Method and settings of the model go into that of the
    training, which may have been told another method when the model was made (``--method shallow``).
    """
    facts = network.describe()
    settings = {name: facts.settings.get(name) for method in METHODS.values() for name in method.settings}
    for name in EVERYWHERE:
        path = bundle_config(bundle, name)
        before = json.loads(path.read_text(encoding="utf-8"))
        config = dict(before if trust else read_without_foreign_code(path))
        known = {"backbone": config.get("backbone") if backbone is None else backbone}
        known |= {"method": facts.method, **settings} if name == "train" else {}
        config |= {key: value for key, value in known.items() if key in config}
        if config != before:
            with replace_whole(path) as part:
                part.write_text(json.dumps(config, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def _refuse_foreign_code(bundle: Path) -> None:
    """Make sure that a server that infers and trains runs no code but the template's."""
    refuse_foreign_code(bundle)
    for name in EVERYWHERE:
        # MONAI Label would take NAME.yaml for a NAME.json that is not there.
        read_without_foreign_code(bundle_config(bundle, name))


def _begin_untrained(bundle: Path, source: Path, parser: ConfigParser, untrained: bool) -> None:
    if not untrained:
        raise MissingFileError(
            f"there is no trained model {str((source / MODEL).absolute())!r}. Choose one:\n"
            "  1. train it first:  python -m monai.bundle run training --config_file bundles/NAME/configs/train.json\n"
            "  2. begin without:  --untrained; its masks mean nothing before you have labeled and trained"
        )
    (bundle / MODEL).parent.mkdir(exist_ok=True)
    (bundle / CALIBRATION).unlink(missing_ok=True)
    torch.save({"model": parsed_content(parser, "network_def").state_dict()}, bundle / MODEL)
    (bundle / UNTRAINED).write_text(file_sha256(bundle / MODEL), encoding="utf-8")


def _is_untrained(bundle: Path) -> bool:
    """Tell whether the model is still the one that :func:`_begin_untrained` wrote."""
    mark = bundle / UNTRAINED
    return mark.is_file() and mark.read_text(encoding="utf-8") == file_sha256(bundle / MODEL)
