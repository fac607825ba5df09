"""From what was downloaded to images, masks, prompts and a datalist; no torch in here."""

from .convert import PrepareReport, prepare

__all__ = ["PrepareReport", "prepare"]
