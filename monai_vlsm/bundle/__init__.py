"""Bundles: fill the template, find, pack, and check for foreign code. Imports no torch."""

from .fetch import bundle_folder
from .fill import filled_template, installed_versions
from .open import (
    CALIBRATION,
    MODEL,
    bundle_config,
    bundle_model,
    bundle_parser,
    find_bundle,
    parsed_content,
)
from .trust import as_literal, read_without_foreign_code, refuse_foreign_code

__all__ = [
    "CALIBRATION",
    "MODEL",
    "as_literal",
    "bundle_config",
    "bundle_folder",
    "bundle_model",
    "bundle_parser",
    "filled_template",
    "find_bundle",
    "installed_versions",
    "parsed_content",
    "read_without_foreign_code",
    "refuse_foreign_code",
]
