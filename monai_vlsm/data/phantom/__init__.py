"""The drawn ultrasound phantom: its scenes, and the data set of them; no torch in here."""

from .scene import CLASSES, draw_phantom
from .write import DEFAULT_COUNTS, write_phantom

__all__ = ["CLASSES", "DEFAULT_COUNTS", "draw_phantom", "write_phantom"]
