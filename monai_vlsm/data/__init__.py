"""Data sets, datalists, prompts and the drawn phantom; no torch in here."""

from .datalist import SPLITS, list_images, load_datalist, load_splits, write_datalist

__all__ = ["SPLITS", "list_images", "load_datalist", "load_splits", "write_datalist"]
