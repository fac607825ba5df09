"""The template of all bundles, and how it becomes the bundle of a data set; no torch in here."""

from .fill import filled_template, installed_versions

__all__ = ["filled_template", "installed_versions"]
