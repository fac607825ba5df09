"""Read a DICOM file or series: the values that are shown, and where they lie in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_vlsm.dicom.display import Grays, Modality, Window, lowest_measured, padding_of, to_colors
from monai_vlsm.dicom.geometry import Place, affine_of
from monai_vlsm.dicom.header import PIXEL_KEYWORDS, DicomFile, no_values_in_errors, open_file
from monai_vlsm.dicom.pixels import MONOCHROME, Layout, stored_pixels
from monai_vlsm.dicom.series import Slice, series_files, slices_in_order
from monai_vlsm.errors import DataError

_SEGMENTATIONS = "1.2.840.10008.5.1.4.1.1.66."
"""Begin of the classes of segmentations, surfaces and other things that lie on images."""


def read_dicom(given: Path | Sequence[Path]) -> tuple[np.ndarray, dict[str, Any]]:
    """Read an image, a film or a volume as it is shown.

    Where the header says what is black and what is white (a window, a table, colors, 8 bits), values are uint8 in
    0..255. All others are measured values, of which :class:`monai_vlsm.transforms.ToDisplayRanged` shows percentiles.
    MONOCHROME1 is turned round, so that low is dark in any case. A volume has the window of its middle slice.

    Args:
        given: a file, a folder that holds one series, or the files of one series in any order.

    Returns:
        Values (columns, rows, frames) or (columns, rows, frames, 3); metadata with ``affine`` and ``original_affine``
        (4, 4) to RAS, ``space``, ``spatial_shape``, ``original_channel_dim`` (-1 of colors, else None), and
        ``known_spacing``: 3 if a voxel has a known volume, 2 if a pixel has a known area, else 0.

    Raises:
        DataError: if a file cannot be used; the message quotes no value of it.
        UserError: if the plugin that decodes it is not installed.
    """
    paths = series_files(given)
    if not paths:
        raise DataError("it holds no files")
    with no_values_in_errors():
        shown, places = _volume(slices_in_order(paths)) if len(paths) > 1 else _single(paths[0])
    affine, known = affine_of(places)
    meta = {
        "affine": affine,
        "original_affine": affine.copy(),
        "space": "RAS",
        "spatial_shape": np.array(shown.shape[2:0:-1] + shown.shape[:1]),
        "original_channel_dim": -1 if shown.ndim == 4 else None,
        "known_spacing": known,
    }
    return shown.transpose(2, 1, 0, *range(3, shown.ndim)), meta


def _single(path: Path) -> tuple[np.ndarray, list[Place]]:
    """Return the frames of a file (frames, rows, columns[, 3]) and their places."""
    file, layout = _open_image(path)
    frames = range(layout.frames)
    groups = file.header.frame_groups(layout.frames)
    places = [Place.of(file.header, frame, groups) for frame in frames]
    stored = stored_pixels(file, layout)
    if layout.photometric not in MONOCHROME:
        return to_colors(stored, layout, file.header), places
    measured = [file.header.of_frame("PixelValueTransformationSequence", frame, groups) for frame in frames]
    modalities = [Modality.of(header, layout.is_signed) for header in measured]
    middle = layout.frames // 2
    window = Window.of(
        file.header.of_frame("FrameVOILUTSequence", middle, groups), lowest_measured(layout, modalities[middle])
    )
    padding = padding_of(file.header, layout)
    shown = [Grays(layout, modalities[frame], window, padding)(stored[frame]) for frame in frames]
    return np.stack(shown), places


def _volume(slices: Sequence[Slice]) -> tuple[np.ndarray, list[Place]]:
    """Return the slices (slices, rows, columns[, 3]), all with the window of the one in the middle."""
    middle = slices[len(slices) // 2]
    window = None
    if not middle.layout.is_color:
        modality = Modality.of(middle.file.header, middle.layout.is_signed)
        window = Window.of(middle.file.header, lowest_measured(middle.layout, modality))
    return np.stack([_plane(each.file.path, window) for each in slices]), [each.place for each in slices]


def _plane(path: Path, window: Window | None) -> np.ndarray:
    """Return the pixels of a slice (rows, columns[, 3])."""
    file, layout = _open_image(path)
    stored = stored_pixels(file, layout)[0]
    if layout.photometric not in MONOCHROME:
        return to_colors(stored, layout, file.header)
    modality = Modality.of(file.header, layout.is_signed)
    return Grays(layout, modality, window, padding_of(file.header, layout))(stored)


def _open_image(path: Path) -> tuple[DicomFile, Layout]:
    file = open_file(path, pixels=True)
    if file.header.text("SOPClassUID").startswith(_SEGMENTATIONS):
        raise DataError("it is a DICOM segmentation, which lies on an image and is none")
    if not any(keyword in file.header.elements for keyword in PIXEL_KEYWORDS):
        raise DataError("it holds no pixels")
    return file, Layout.of(file)
