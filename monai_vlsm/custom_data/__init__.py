"""Own images and masks become a data set and a bundle."""

from .build import Summary, make_bundle
from .request import CustomDataRequest, parse_classes

__all__ = ["CustomDataRequest", "Summary", "make_bundle", "parse_classes"]
