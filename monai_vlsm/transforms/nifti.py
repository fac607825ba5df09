"""NIfTI files, those with a color per voxel included."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from monai.data import NibabelReader
from nibabel.volumeutils import apply_read_scaling

from monai_vlsm.data.limits import refuse_empty_promises
from monai_vlsm.errors import DataError

_HEADER_SIZES = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
_LARGEST_EXTENSIONS = 2**26
"""Bytes between header and voxels, which nibabel reads with the header."""


class NiftiReader(NibabelReader):
    """MONAI's NIfTI reader with three additions.

    It knows RGB(A) voxels, checks before memory is allocated that the file is as long as its header says, and scales
    volumes slice by slice instead of as a whole in 64 bits.
    """

    def read(self, data: Any, **kwargs: Any) -> Any:
        """Open a file after a look at its header."""
        _check_header(Path(data))
        return super().read(data, **kwargs)

    def _get_array_data(self, img: Any, filename: Any) -> Any:
        compressed = str(filename).lower().endswith(".gz")
        refuse_empty_promises(img.shape, img.get_data_dtype().itemsize, Path(filename).stat().st_size, compressed)
        proxy = img.dataobj
        data = proxy.get_unscaled() if hasattr(proxy, "get_unscaled") else np.asanyarray(proxy)
        if data.dtype.fields is not None:
            return np.stack([data[name] for name in data.dtype.names], axis=-1)
        slope, inter = (getattr(proxy, name, default) for name, default in (("slope", 1.0), ("inter", 0.0)))
        if (slope, inter) == (1, 0):
            return data
        scaled = np.empty(data.shape, np.float32, order="F")
        with np.errstate(over="ignore"):
            for index in range(data.shape[-1]):
                scaled[..., index] = apply_read_scaling(data[..., index], np.float64(slope), np.float64(inter))
        return scaled


def _check_header(path: Path) -> None:
    """Refuse what is no NIfTI header, one so long that reading it fills memory, and one without a place in space."""
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as file:
        block = file.read(540)
    sizes = {int.from_bytes(block[:4], order): order for order in ("little", "big")}
    known = [size for size in sizes if size in _HEADER_SIZES]
    if not known or len(block) < known[0]:
        raise DataError("it does not begin with the header of a NIfTI file")
    header = _HEADER_SIZES[known[0]](block[: known[0]], check=False)
    offset = float(header["vox_offset"])
    if not 0 <= offset <= _LARGEST_EXTENSIONS:
        raise DataError(f"its header says that the voxels begin at byte {offset:g}")
    affine = header.get_best_affine()
    if not np.isfinite(affine).all():
        # MONAI would put another one in its place.
        raise DataError(f"the affine in its header holds values that are not finite: {affine.tolist()}")
