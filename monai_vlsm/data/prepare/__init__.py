"""From what was downloaded to images, masks, prompts and a datalist; no torch in here."""

from .convert import PrepareOptions, PrepareReport, facts_of, is_prepared, prepare

__all__ = ["PrepareOptions", "PrepareReport", "facts_of", "is_prepared", "prepare"]
