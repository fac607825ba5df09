"""Medical files: each suffix has one reader, and its header is checked before anything is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import itk
import numpy as np
from monai.data import ITKReader
from monai.data.utils import is_no_channel, to_affine_nd

from monai_vlsm.data.limits import refuse_oversized
from monai_vlsm.data.names import is_nifti
from monai_vlsm.errors import DataError
from monai_vlsm.transforms.display_range import CHANNEL_AXIS
from monai_vlsm.transforms.headers import data_file_of, is_compressed, refuse_empty_promises, refuse_odd_elements
from monai_vlsm.transforms.nifti import NiftiReader

_META, _NRRD, _DICOM = "MetaImageIO", "NrrdImageIO", "GDCMImageIO"
_ITK_FORMATS = {".mha": _META, ".mhd": _META, ".nrrd": _NRRD}
_NAMES = {_META: "MetaImage", _NRRD: "NRRD", _DICOM: "DICOM"}
_HALVES = (".hdr", ".img", ".nhdr", ".raw", ".zraw")
"""Of files whose header and values lie apart."""


def read_medical(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the values of a NIfTI, MetaImage, NRRD or DICOM file, and metadata as MONAI's readers give them.

    Files of other names, and folders (a series), are taken for DICOM, which often has no suffix.

    Returns:
        Values in the axes of the file; metadata with ``affine`` (to RAS), and ``original_channel_dim``: an index, or
        None where there is no axis of channels.
    """
    if is_nifti(path):
        array, meta = _read(NiftiReader(), path)
    else:
        name = _ITK_FORMATS.get(path.suffix.lower(), _DICOM)
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
    files = [path]
    if path.suffix.lower() in _HALVES:
        raise DataError(f"files {path.suffix} are not read, because header and values lie apart: save it as .nii.gz")
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file())
    values = files if name == _DICOM else [data_file_of(path)]
    encapsulated = [refuse_odd_elements(file) for file in files] if name == _DICOM else []
    header = getattr(itk, name).New()
    if not files or not header.CanReadFile(str(files[0])):
        raise DataError(f"it is no {_NAMES[name]} file")
    header.SetFileName(str(files[0]))
    header.ReadImageInformation()
    size = tuple(header.GetDimensions(axis) for axis in range(header.GetNumberOfDimensions()))
    per_pixel = header.GetComponentSize() * header.GetNumberOfComponents()
    if path.is_dir():
        refuse_oversized((*size, len(files)))
    else:
        compressed = encapsulated[0] if name == _DICOM else is_compressed(path)
        refuse_empty_promises(size, per_pixel, values[0].stat().st_size, compressed)
