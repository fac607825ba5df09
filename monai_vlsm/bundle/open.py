"""Find a bundle by what a person calls it, and open its configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from monai_vlsm.bundle.trust import as_literal, read_without_foreign_code
from monai_vlsm.errors import MissingFileError

if TYPE_CHECKING:
    from monai.bundle import ConfigParser


def find_bundle(bundle: str) -> Path:
    """Return ``bundle`` itself if it is the folder of a bundle, else ``bundles/NAME``, which need not be there."""
    return Path(bundle) if (Path(bundle) / "configs").is_dir() else Path("bundles") / bundle


def bundle_config(path: str | Path, name: str) -> Path:
    """Return the path of a configuration in a bundle folder.

    Raises:
        MissingFileError: if it is not there.
    """
    config = Path(path) / "configs" / f"{name}.json"
    if not config.is_file():
        raise MissingFileError(f"there is no bundle in {str(Path(path).absolute())!r}: it lacks configs/{config.name}.")
    return config


def bundle_parser(path: str | Path, backbone: str | None = None, trust: bool = False) -> ConfigParser:
    """Return a parser of ``inference.json`` in a bundle folder.

    Args:
        path: of the folder, for example ``bundles/busi``.
        backbone: in place of the bundle's own, see :func:`monai_vlsm.networks.load_backbone`.
        trust: also take code that this package's own bundles do not have. It can be any code.

    Raises:
        MissingFileError: if the folder is no bundle.
        DataError: if ``inference.json`` has code of its own.
    """
    from monai.bundle import ConfigParser

    config = bundle_config(path, "inference")
    parser = ConfigParser(ConfigParser.load_config_file(config) if trust else read_without_foreign_code(config))
    parser["bundle_root"] = as_literal(str(path))
    if backbone is not None:
        parser["backbone"] = as_literal(backbone)
    return parser
