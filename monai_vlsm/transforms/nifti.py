"""NIfTI files, those with a colour per voxel included; a header that promises more than the file holds is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from monai.data import NibabelReader

from monai_vlsm.errors import DataError

_DEFLATE_LIMIT = 1032
"""Times that gzip can shrink data at most."""


class NiftiReader(NibabelReader):
    """MONAI's reader, for voxels of RGB and RGBA values too, and before memory is taken for what is not there."""

    def _get_array_data(self, img: Any, filename: Any) -> Any:
        claimed = int(np.prod(img.shape, dtype=np.int64)) * img.get_data_dtype().itemsize
        stored = Path(filename).stat().st_size
        limit = stored * (_DEFLATE_LIMIT if str(filename).lower().endswith(".gz") else 1)
        if claimed > limit:
            raise DataError(f"its header promises {claimed:,} bytes of voxels, the file has {stored:,}")
        data = super()._get_array_data(img, filename)
        return data if data.dtype.fields is None else np.stack([data[name] for name in data.dtype.names], axis=-1)
