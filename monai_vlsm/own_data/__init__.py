"""Own images and masks become a data set and a bundle."""

from .build import Summary, make_bundle
from .request import Request, parse_classes

__all__ = ["Request", "Summary", "make_bundle", "parse_classes"]
