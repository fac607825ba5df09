"""Checks of a data set that protect results; no torch in here."""

from .files import FileFacts, Finding, read_files
from .report import CheckReport, check_entries

__all__ = ["CheckReport", "FileFacts", "Finding", "check_entries", "read_files"]
