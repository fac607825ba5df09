"""A picture whose upright view is known, and the ways in which files store it."""

from dataclasses import dataclass

import numpy as np
import pytest

SCREEN = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, 1)),
    "sagittal": ((0, 1, 0), (0, 0, 1)),
}
"""What a radiologist has on the left and at the top, as directions in RAS: the patient's right, front or head."""


def _turned(degrees):
    """Return a rotation about an axis that lies in none of the three planes."""
    angle, axis = np.radians(degrees), np.array([0.6, 0.64, 0.48])
    cross = np.cross(np.eye(3), axis)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


AXES = {
    "axial_ras": ("axial", np.eye(3)),
    "axial_lps": ("axial", np.diag([-1, -1, 1])),
    "axial_las": ("axial", np.diag([-1, 1, 1])),
    "axial_rps": ("axial", np.diag([1, -1, 1])),
    "axial_first_axis_to_the_back": ("axial", np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])),
    "axial_first_axis_to_the_front": ("axial", np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])),
    "coronal_lir": ("coronal", np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]])),
    "coronal_first_axis_up": ("coronal", np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]])),
    "sagittal_pir": ("sagittal", np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])),
    "sagittal_asl": ("sagittal", np.array([[0, 0, -1], [1, 0, 0], [0, 1, 0]])),
    "sagittal_first_axis_down": ("sagittal", np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])),
    "oblique": ("axial", _turned(25)),
    "oblique_lps": ("axial", _turned(-25) @ np.diag([-1, -1, 1])),
    "anisotropic": ("axial", np.diag([0.3, 2, 7])),
    "anisotropic_oblique_sagittal": ("sagittal", _turned(20) @ np.array([[0, 0, 3], [-0.5, 0, 0], [0, 4, 0]])),
}


@dataclass(frozen=True)
class Orientation:
    """How the axes of a file lie in the patient.

    Args:
        plane: of the first two axes.
        affine: (4, 4), from voxels to millimeters in RAS.
    """

    plane: str
    affine: np.ndarray

    def store(self, picture):
        """Return an upright picture (rows, columns) as an array with this orientation, from the directions alone."""
        (across, to_right), (down, to_bottom) = (self._axis(direction) for direction in SCREEN[self.plane])
        assert {across, down} == {0, 1}
        picture = picture if to_bottom else picture[::-1]
        picture = picture if to_right else picture[:, ::-1]
        return np.ascontiguousarray(picture if down == 0 else picture.T)

    def _axis(self, direction):
        """Return the array's axis along a direction, and whether its indices grow away from where that points."""
        along = np.array(direction) @ (self.affine[:3, :2] / np.linalg.norm(self.affine[:3, :2], axis=0))
        axis = int(np.abs(along).argmax())
        return axis, along[axis] < 0


def _affine(axes):
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = [11, -7, 3]
    return affine


@pytest.fixture(params=AXES.values(), ids=AXES)
def orientation(request):
    plane, axes = request.param
    return Orientation(plane, _affine(axes))


@pytest.fixture
def bar():
    """An upright picture (12, 20) of 0 and 255: a bar at the top left, longer than high."""
    picture = np.zeros((12, 20), dtype=np.uint8)
    picture[:3, :10] = 255
    return picture
