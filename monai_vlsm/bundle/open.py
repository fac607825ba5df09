"""Find a bundle by what a person calls it, and open its configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_vlsm.bundle.released import is_plain
from monai_vlsm.bundle.trust import as_literal, read_without_foreign_code
from monai_vlsm.errors import DataError, MissingFileError, find_user_error

if TYPE_CHECKING:
    from monai.bundle import ConfigParser

MODEL = Path("models", "model.pt")
"""The trained model in the folder of a bundle."""
CALIBRATION = Path("models", "calibration.json")
"""What was found out about that model, if it was calibrated."""


def find_bundle(bundle: str) -> Path:
    """Return ``bundle`` itself if it is a path or the folder of a bundle, else ``bundles/NAME``, there or not."""
    is_path = len(Path(bundle).parts) > 1 or (Path(bundle) / "configs").is_dir()
    return Path(bundle) if is_path else Path("bundles") / bundle


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
        trust: take the file as it is, with code that this package's own bundles do not have. Otherwise it is this
            version's own inference with the values of the bundle.

    Raises:
        MissingFileError: if the folder is no bundle.
        DataError: if ``inference.json`` has code of its own, or a value that cannot be used.
    """
    from monai.bundle import ConfigParser

    file = bundle_config(path, "inference")
    if trust:
        config = ConfigParser.load_config_file(file)
    else:
        # MONAI would look for references in texts, too.
        config = {key: _as_it_is(value) for key, value in read_without_foreign_code(file).items()}
    parser = ConfigParser(config)
    parser["bundle_root"] = as_literal(str(path))
    if backbone is not None:
        parser["backbone"] = as_literal(backbone)
    return parser


def parsed_content(parser: ConfigParser, key: str, **options: Any) -> Any:
    """Return what a key stands for, as ``ConfigParser.get_parsed_content`` with the same options.

    Raises:
        UserError: as a component raised it; MONAI wraps it in errors of its own.
    """
    try:
        return parser.get_parsed_content(key, **options)
    except Exception as error:
        found = find_user_error(error)
        if found is None or found is error:
            raise
        raise found from None


def bundle_model(path: str | Path, parser: ConfigParser) -> Path:
    """Return the path of a bundle's model, ``models/model.pt``, there or not.

    Args:
        path: of the folder.
        parser: of its ``inference.json``, see :func:`bundle_parser`.

    Raises:
        DataError: if the bundle uses another file, which a copy of the bundle would lack.
    """
    named = Path(parsed_content(parser, "checkpoint"))
    if named != Path(path) / MODEL:
        raise DataError(
            f"the bundle {str(path)!r} has the key 'checkpoint': {str(named)!r}. Put that file into its place "
            f"{str(MODEL)!r} and take the key out of inference.json: only the files of a bundle go with it."
        )
    return named


def _as_it_is(value: Any) -> Any:
    return as_literal(value) if is_plain(value) else value
