"""Data sets, datalists, prompts and the drawn phantom; no torch in here."""

from .absent import AbsentPrompts, absent_entries
from .datalist import SPLITS, list_images, load_datalist, load_splits, write_datalist

__all__ = ["SPLITS", "AbsentPrompts", "absent_entries", "list_images", "load_datalist", "load_splits", "write_datalist"]
