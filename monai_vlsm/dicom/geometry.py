"""Where the pixels of a DICOM file lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monai_vlsm.dicom.header import Header
from monai_vlsm.errors import DataError

_SPACING_LIMITS = (1e-5, 1e4)
"""Millimeters between pixels that can be meant, from microscopes to whole bodies."""
_UPRIGHT_WITHIN = 0.01
"""Share by which directions may differ from unit length, right angles, and each other in a series."""
_EVEN_WITHIN = 0.05
"""Share of the distance of slices by which single distances may differ from it."""
_CENTIMETERS, _TISSUE = 3, 1
"""DICOM's units of ultrasound regions, and the region in which both axes are lengths."""
_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])


@dataclass(frozen=True)
class Place:
    """How one frame lies in the patient; all in millimeters and LPS, as in DICOM.

    Args:
        position: of the middle of the first pixel; None where the file tells none.
        across, down: directions in which columns and rows are counted.
        is_turned: whether the file tells them.
        spacing: between rows and between columns; None where it is not known.
        thickness: of the slice; None where it is not known.
        distance: to the next slice, as the file tells it; of slices without gaps that is the thickness.
    """

    position: np.ndarray | None
    across: np.ndarray
    down: np.ndarray
    is_turned: bool
    spacing: tuple[float, float] | None
    thickness: float | None
    distance: float | None

    @classmethod
    def of(cls, header: Header, frame: int, groups: Sequence[Sequence[Header]]) -> Place:
        """Read and check the place of a frame.

        Raises:
            DataError: naming the element that is odd.
        """
        measures = header.of_frame("PixelMeasuresSequence", frame, groups)
        plane = header.of_frame("PlanePositionSequence", frame, groups)
        turned = header.of_frame("PlaneOrientationSequence", frame, groups)
        position = plane.numbers("ImagePositionPatient", 3)
        directions = turned.numbers("ImageOrientationPatient", 6)
        across, down = _directions(directions or [1, 0, 0, 0, 1, 0])
        thickness = _length(measures, "SliceThickness")
        return cls(
            position=np.array(position) if position else None,
            across=across,
            down=down,
            is_turned=bool(directions),
            spacing=_spacing(measures) or _ultrasound_spacing(header),
            thickness=thickness,
            distance=_length(measures, "SpacingBetweenSlices") or thickness,
        )

    @property
    def normal(self) -> np.ndarray:
        """Direction in which slices are counted."""
        return np.cross(self.across, self.down)

    @property
    def height(self) -> float:
        """Millimeters along the normal, by which slices are in order."""
        return 0.0 if self.position is None else float(self.position @ self.normal)

    def is_parallel_to(self, other: Place) -> bool:
        """Tell whether two frames have the same directions and distances of pixels."""
        turned = np.abs(np.concatenate([self.across - other.across, self.down - other.down])).max()
        return turned < _UPRIGHT_WITHIN and np.allclose(self.spacing or (0, 0), other.spacing or (0, 0), rtol=1e-3)


def affine_of(places: Sequence[Place]) -> tuple[np.ndarray, int]:
    """Return the affine (4, 4) from indices (column, row, frame) to millimeters in RAS, and how many axes it knows.

    Where no distance is known it is 1. Frames that do not follow each other evenly in space, as in a film, have no
    third axis that is known.
    """
    first = places[0]
    rows, columns = first.spacing or (1.0, 1.0)
    step = first.normal * (first.distance or 1.0)
    known = (2 if first.spacing else 0) + (1 if first.spacing and first.distance and len(places) == 1 else 0)
    if len(places) > 1:
        even = even_step(places)
        step = first.normal if even is None else even
        known += first.spacing is not None and even is not None
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = first.across * columns, first.down * rows, step
    affine[:3, 3] = 0 if first.position is None else first.position
    return _LPS_TO_RAS @ affine, known


def even_step(places: Sequence[Place]) -> np.ndarray | None:
    """Return the way in millimeters from each frame to the next, None where frames do not lie evenly on a line."""
    first, last = places[0], places[-1]
    positions = [place.position for place in places if place.position is not None]
    if len(positions) != len(places) or not all(place.is_parallel_to(first) for place in places):
        return None
    step = (positions[-1] - positions[0]) / (len(places) - 1)
    length = abs(float(step @ first.normal))
    off = np.abs(np.diff(np.array(positions), axis=0) - step).max()
    return step if length >= _SPACING_LIMITS[0] and off <= _EVEN_WITHIN * length and last.position is not None else None


def _directions(values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    across, down = np.array(values[:3]), np.array(values[3:])
    lengths = np.array([np.linalg.norm(across), np.linalg.norm(down)])
    if np.abs(lengths - 1).max() > _UPRIGHT_WITHIN or abs(float(across @ down)) > _UPRIGHT_WITHIN:
        raise DataError("ImageOrientationPatient in its header is no pair of directions at right angles")
    return across / lengths[0], down / lengths[1]


def _spacing(header: Header) -> tuple[float, float] | None:
    for keyword in _SPACINGS:
        values = header.numbers(keyword, 2)
        if values:
            _check_lengths(keyword, values)
            return values[0], values[1]
    return None


def _ultrasound_spacing(header: Header) -> tuple[float, float] | None:
    """Return the distances of an ultrasound image of one region in which both axes are lengths."""
    regions = header.items("SequenceOfUltrasoundRegions")
    if len(regions) != 1:
        return None
    units = [regions[0].number(f"PhysicalUnits{axis}Direction") for axis in "XY"]
    deltas = [regions[0].number(f"PhysicalDelta{axis}") for axis in "YX"]
    if units != [_CENTIMETERS] * 2 or None in deltas or regions[0].number("RegionSpatialFormat", _TISSUE) != _TISSUE:
        return None
    rows, columns = (10 * abs(delta) for delta in deltas if delta is not None)
    _check_lengths("PhysicalDelta", (rows, columns))
    return rows, columns


def _length(header: Header, keyword: str) -> float | None:
    """Return a distance of slices; 0 is none. SpacingBetweenSlices may be negative, which says nothing about it."""
    value = abs(header.number(keyword) or 0)
    if value:
        _check_lengths(keyword, (value,))
    return value or None


def _check_lengths(keyword: str, values: Sequence[float]) -> None:
    low, high = _SPACING_LIMITS
    if not all(low <= value <= high for value in values):
        raise DataError(f"{keyword} in its header is no distance between {low:g} and {high:g} mm")
