"""Public data sets: facts and reader of each side by side, in one module per organ; no torch in here."""

from .facts import DatasetFacts
from .registry import BUNDLES, DATASETS, find_cases

__all__ = ["BUNDLES", "DATASETS", "DatasetFacts", "find_cases"]
