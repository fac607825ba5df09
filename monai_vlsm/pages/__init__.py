"""Pages of results: one HTML file each, without scripts or anything from elsewhere; no torch in here."""

from monai_vlsm.pages.cells import Interval
from monai_vlsm.pages.markup import Markup
from monai_vlsm.pages.page import Page
from monai_vlsm.pages.pictures import Picture, PictureFile
from monai_vlsm.pages.plots import Line, histogram, line_plot, reliability_diagram, risk_coverage_plot

__all__ = [
    "Interval",
    "Line",
    "Markup",
    "Page",
    "Picture",
    "PictureFile",
    "histogram",
    "line_plot",
    "reliability_diagram",
    "risk_coverage_plot",
]
