"""What logits are worth: temperature, presence and thresholds from cases with known masks; imports no torch."""

from .calibrated import IDENTITY, Calibration
from .document import read_calibration, read_document

__all__ = ["IDENTITY", "Calibration", "read_calibration", "read_document"]
