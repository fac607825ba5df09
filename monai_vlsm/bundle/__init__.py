"""The template of all bundles, how it becomes the bundle of a data set, and what else may run; no torch in here."""

from .fill import filled_template, installed_versions
from .find import find_bundle
from .trust import literal, read_known, require_known

__all__ = ["filled_template", "find_bundle", "installed_versions", "literal", "read_known", "require_known"]
