"""The way from an array as it is stored to the upright picture that a person sees, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from nibabel.orientations import aff2axcodes


@dataclass(frozen=True)
class UprightView:
    """How the first two spatial axes of a stored array become rows and columns of the picture a person sees.

    Raster pictures are stored as (W, H). In medical files the plane of the first two axes is shown as radiologists see
    it: columns run to the patient's left (or, in sagittal planes, to the back), rows to the back (or to the feet).

    Args:
        swap: whether the first axis runs along the columns of the picture.
        flip_rows: whether the picture's rows run against the array.
        flip_columns: whether the picture's columns run against the array.
    """

    swap: bool = True
    flip_rows: bool = False
    flip_columns: bool = False

    @classmethod
    def of(cls, image: torch.Tensor, index: int = 0) -> UprightView:
        """Return the view of item ``index`` in a batch (B, C, W, H[, D]), or of an image with one item's affine."""
        meta = getattr(image, "meta", {})
        space = meta.get("space")
        space = space[index] if isinstance(space, (list, tuple)) else space
        if not space:
            return cls()
        affine = torch.as_tensor(image.affine)  # type: ignore[attr-defined]
        return cls.of_affine(affine[index] if affine.ndim == 3 else affine)

    @classmethod
    def of_affine(cls, affine: torch.Tensor) -> UprightView:
        """Return the view of arrays with ``affine`` (4, 4), from voxels to millimetres in RAS."""
        first, second = aff2axcodes(np.asarray(affine, dtype=float))[:2]
        if first is None or second is None:
            return cls()
        swap = _display_rank(first) < _display_rank(second)
        column, row = (first, second) if swap else (second, first)
        return cls(swap=swap, flip_rows=row in "RAS", flip_columns=column in "RAS")

    def apply(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (..., W, H) as stored into (..., rows, columns)."""
        image = image.transpose(-1, -2) if self.swap else image
        return image.flip(self._flipped()) if self._flipped() else image

    def undo(self, image: torch.Tensor) -> torch.Tensor:
        """Turn (..., rows, columns) back into (..., W, H) as stored."""
        image = image.flip(self._flipped()) if self._flipped() else image
        return image.transpose(-1, -2) if self.swap else image

    def _flipped(self) -> list[int]:
        return [axis for axis, flip in ((-2, self.flip_rows), (-1, self.flip_columns)) if flip]


def _display_rank(code: str) -> int:
    return next(rank for rank, pair in enumerate(("LR", "PA", "IS")) if code in pair)


def upright_slices(image: torch.Tensor, view: UprightView) -> torch.Tensor:
    """Return all slices of ``image`` (C, W, H[, D]) as upright RGB pictures (D, 3, rows, columns)."""
    image = image.as_subclass(torch.Tensor)
    slices = image.movedim(-1, 0) if image.ndim == 4 else image[None]
    return view.apply(slices).expand(-1, 3, -1, -1)
