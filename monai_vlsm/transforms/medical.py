"""Medical files: each suffix has one reader, and its header is checked before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import itk
import numpy as np
from monai.data import ITKReader
from monai.data.utils import is_no_channel, to_affine_nd

from monai_vlsm.data.limits import refuse_empty_promises
from monai_vlsm.data.names import is_nifti
from monai_vlsm.dicom.read import read_dicom
from monai_vlsm.errors import DataError
from monai_vlsm.transforms.display_range import CHANNEL_AXIS
from monai_vlsm.transforms.headers import data_file_of, is_compressed
from monai_vlsm.transforms.nifti import NiftiReader

_META, _NRRD = "MetaImageIO", "NrrdImageIO"
_ITK_FORMATS = {".mha": _META, ".mhd": _META, ".nrrd": _NRRD}
_NAMES = {_META: "MetaImage", _NRRD: "NRRD"}
_HALVES = (".hdr", ".img", ".nhdr", ".raw", ".zraw")
"""Of files whose header and values lie apart."""


def read_medical(path: Path | Sequence[Path]) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the values of a NIfTI, MetaImage, NRRD or DICOM file, and metadata as MONAI's readers give them.

    Files of other names, folders, and several files (a series) are taken for DICOM, which often has no suffix.

    Returns:
        Values in the axes of the file; metadata with ``affine`` (to RAS), and ``original_channel_dim``: an index, or
        None where there is no axis of channels.
    """
    if not isinstance(path, Path) or path.is_dir():
        return read_dicom(path)
    if path.suffix.lower() in _HALVES:
        raise DataError(f"files {path.suffix} are not read, because header and values lie apart: save it as .nii.gz")
    name = _ITK_FORMATS.get(path.suffix.lower())
    if is_nifti(path):
        array, meta = _read(NiftiReader(), path)
    elif name is None:
        return read_dicom(path)
    else:
        _check_header(path, name)
        array, meta = _read(ITKReader(imageio=getattr(itk, name).New()), path)
    channel = meta[CHANNEL_AXIS]
    meta[CHANNEL_AXIS] = None if is_no_channel(channel) else int(channel)
    for key in ("affine", "original_affine"):
        meta[key] = to_affine_nd(3, np.asarray(meta[key], dtype=float))
    return array, meta


def check_medical(path: Path) -> None:
    """Refuse a NIfTI, MetaImage or NRRD file whose header cannot be used, before anything is decoded.

    Raises:
        DataError: also if it promises more pixels than :mod:`monai_vlsm.data.limits` allows, or than the file holds.
    """
    if is_nifti(path):
        header = NiftiReader().read(str(path))
        bytes_per_value = header.get_data_dtype().itemsize
        refuse_empty_promises(header.shape, bytes_per_value, path.stat().st_size, path.suffix.lower() == ".gz")
    else:
        _check_header(path, _ITK_FORMATS[path.suffix.lower()])


def _read(reader: Any, path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    image = reader.read(str(path))
    array, meta = reader.get_data(image)
    # What ITK gives is a view of memory that goes with its image.
    return (array if isinstance(reader, NiftiReader) else array.copy(order="K")), meta


def _check_header(path: Path, name: str) -> None:
    """Refuse what ITK should not open: other formats under a known name, headers that name or promise too much."""
    values = data_file_of(path)
    header = getattr(itk, name).New()
    if not header.CanReadFile(str(path)):
        raise DataError(f"it is no {_NAMES[name]} file")
    header.SetFileName(str(path))
    header.ReadImageInformation()
    size = tuple(header.GetDimensions(axis) for axis in range(header.GetNumberOfDimensions()))
    per_pixel = header.GetComponentSize() * header.GetNumberOfComponents()
    refuse_empty_promises(size, per_pixel, values.stat().st_size, is_compressed(path))
