"""The way from an array as it is stored to the upright picture that a person sees, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from nibabel.orientations import aff2axcodes

from monai_vlsm.errors import DataError


def is_medical(image: torch.Tensor, index: int = 0) -> bool:
    """Tell whether the affine of an image says how it lies in a patient; pictures for the screen have none that does.

    MONAI's readers of medical formats write the metadata key ``space`` (axes of the millimeters: RAS or LPS), and
    nothing that reads pictures does. :class:`EnsureSameSized` takes it from masks that lie on the pixels of a picture.

    Args:
        image: (C, W, H[, D]), or a batch of such.
        index: of the item in a batch.
    """
    return _space(image, index) is not None


def _space(image: torch.Tensor, index: int) -> str | None:
    space = getattr(image, "meta", {}).get("space")
    space = space[index] if isinstance(space, (list, tuple)) else space
    return str(space) if space else None


_LPS_TO_RAS = torch.diag(torch.tensor([-1.0, -1, 1, 1], dtype=torch.float64))


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
        space = _space(image, index)
        if space is None:
            return cls()
        affine = torch.as_tensor(image.affine).cpu()  # type: ignore[attr-defined]
        affine = affine[index] if affine.ndim == 3 else affine
        return cls.of_affine(_LPS_TO_RAS @ affine.double() if space == "LPS" else affine)

    @classmethod
    def of_affine(cls, affine: torch.Tensor) -> UprightView:
        """Return the view of arrays with ``affine`` (4, 4), from voxels to millimeters in RAS.

        Raises:
            DataError: if the directions of the first two axes are not finite.
        """
        first, second = aff2axcodes(_directions(np.asarray(affine, dtype=float)))[:2]
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


def _directions(affine: np.ndarray) -> np.ndarray:
    """Return an affine whose columns have the length 1; a third axis without direction stands upright on the others."""
    axes = affine[:3, :3].copy()
    if not np.isfinite(axes[:, :2]).all():
        raise DataError(f"the affine of the image holds values that are not finite: {affine.tolist()}.")
    axes[:, :2] /= np.maximum(np.abs(axes[:, :2]).max(axis=0), np.finfo(float).tiny)
    third = axes[:, 2]
    if not np.isfinite(third).all():
        # MONAI Deploy divides by the number of slices less one.
        third = np.cross(axes[:, 0], axes[:, 1])
    axes[:, 2] = third / np.maximum(np.abs(third).max(), np.finfo(float).tiny)
    directions = np.eye(4)
    directions[:3, :3] = axes
    return directions


def _display_rank(code: str) -> int:
    return next(rank for rank, pair in enumerate(("LR", "PA", "IS")) if code in pair)


def upright_slices(image: torch.Tensor, view: UprightView) -> torch.Tensor:
    """Return all slices of ``image`` (C, W, H[, D]) as upright RGB pictures (D, 3, rows, columns).

    Gray images are not copied for that, unless the view flips an axis; large volumes come in parts:
    :func:`upright_parts`.
    """
    image = image.as_subclass(torch.Tensor)
    slices = image.movedim(-1, 0) if image.ndim == 4 else image[None]
    return view.apply(slices).expand(-1, 3, -1, -1)


def upright_parts(image: torch.Tensor, view: UprightView, slices: int) -> Iterator[torch.Tensor]:
    """Yield the upright RGB pictures of ``image`` (C, W, H[, D]), at most ``slices`` at a time."""
    if image.ndim == 3:
        yield upright_slices(image, view)
        return
    for part in image.split(slices, dim=-1):
        yield upright_slices(part, view)
