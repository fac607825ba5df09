"""Turn your own images and masks into a data set and a bundle."""

from .build import Summary, make_bundle
from .request import CustomDataRequest, compile_pattern, parse_classes

__all__ = ["CustomDataRequest", "Summary", "compile_pattern", "make_bundle", "parse_classes"]
