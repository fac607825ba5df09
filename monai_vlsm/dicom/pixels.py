"""Stored pixels of a DICOM file: how many there are by its header, checked, and decoded by pydicom and its plugins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset, encaps
from pydicom.dataset import FileMetaDataset

from monai_vlsm.data.limits import refuse_empty_promises
from monai_vlsm.dicom.apart import decode_apart
from monai_vlsm.dicom.codestreams import size_in_codestream
from monai_vlsm.dicom.decoding import APART, IS_NEW_PYDICOM, decode, plugin_for
from monai_vlsm.dicom.header import PIXEL_KEYWORDS, DicomFile, Header, no_values_in_errors
from monai_vlsm.errors import DataError, UserError

MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
_COLOR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""JPEG 2000 makes RGB of the last two itself."""
_ALLOCATED = (1, 8, 16, 32)


@dataclass(frozen=True)
class Layout:
    """How pixels are stored.

    Args:
        rows, columns, frames: how many.
        photometric: what their values mean.
        samples: per pixel.
        is_planar: whether each color has a plane of its own.
        allocated, stored: bits of a sample, and those in use.
        is_signed: whether samples may be negative.
    """

    rows: int
    columns: int
    frames: int
    photometric: str
    samples: int
    is_planar: bool
    allocated: int
    stored: int
    is_signed: bool

    @classmethod
    def of(cls, file: DicomFile) -> Layout:
        """Read and check the layout of a file, which cannot hold more than its length allows.

        Raises:
            DataError: naming the element that is missing, odd or not read.
        """
        header = file.header
        layout = cls(
            rows=header.whole("Rows"),
            columns=header.whole("Columns"),
            frames=header.whole("NumberOfFrames", 1),
            photometric=header.text("PhotometricInterpretation"),
            samples=header.whole("SamplesPerPixel", 1),
            is_planar=header.whole("PlanarConfiguration", 0) == 1,
            allocated=header.whole("BitsAllocated"),
            stored=header.whole("BitsStored", header.whole("BitsAllocated")),
            is_signed=header.whole("PixelRepresentation", 0) == 1,
        )
        layout._check(header)
        halved = layout.photometric == "YBR_FULL_422" and not file.is_compressed
        per_pixel = layout.allocated * (2 if halved else layout.samples) // 8
        size = (layout.columns, layout.rows, layout.frames)
        refuse_empty_promises(size, per_pixel, file.path.stat().st_size, file.is_compressed)
        return layout

    def _check(self, header: Header) -> None:
        if min(self.rows, self.columns, self.frames) < 1:
            raise DataError("it has no pixels: Rows, Columns or NumberOfFrames in its header is below 1")
        if self.photometric not in (*MONOCHROME, PALETTE, *_COLOR):
            raise DataError("its PhotometricInterpretation is not read: save it as MONOCHROME2 or RGB")
        if self.samples != (3 if self.is_color else 1):
            raise DataError(f"SamplesPerPixel in its header is {self.samples}, which its kind of color does not have")
        # Floats have no bits in use.
        is_float = self.allocated in (32, 64) and "BitsStored" not in header.elements
        if not is_float and (self.allocated not in _ALLOCATED or not 1 <= self.stored <= self.allocated):
            raise DataError(f"BitsStored {self.stored} of BitsAllocated {self.allocated} in its header are not read")
        if header.whole("HighBit", self.stored - 1) != self.stored - 1:
            raise DataError("HighBit in its header is not BitsStored less one, which is no longer allowed")

    @property
    def is_color(self) -> bool:
        """Whether there are three samples per pixel."""
        return self.photometric in _COLOR


def stored_pixels(file: DicomFile, layout: Layout) -> np.ndarray:
    """Decode the pixels of a file that was opened with them.

    Returns:
        (frames, rows, columns) or, in color, (frames, rows, columns, 3) of RGB, of the type that is stored.

    Raises:
        DataError: if they are damaged, or not as many as the header says.
        UserError: if the plugin that decodes them is not installed.
    """
    with no_values_in_errors():
        bare = _bare(file, layout)
        values = _decoded(bare, layout) if file.is_compressed else decode(bare)
        shape = (layout.frames, layout.rows, layout.columns, *((3,) if layout.is_color else ()))
        return _without_unused_bits(values.reshape(shape), layout)


def _bare(file: DicomFile, layout: Layout) -> Dataset:
    """Return a data set of the checked layout and the pixels, and nothing else that could be read in another way."""
    keywords = [keyword for keyword in PIXEL_KEYWORDS if keyword in file.header.elements]
    if len(keywords) != 1:
        raise DataError("it holds no pixels" if not keywords else "it holds pixels of two kinds")
    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = file.syntax
    if not IS_NEW_PYDICOM:
        bare.is_little_endian, bare.is_implicit_VR = True, file.syntax.is_implicit_VR
    bare.Rows, bare.Columns, bare.NumberOfFrames = layout.rows, layout.columns, layout.frames
    bare.SamplesPerPixel, bare.PhotometricInterpretation = layout.samples, layout.photometric
    bare.PlanarConfiguration, bare.PixelRepresentation = int(layout.is_planar), int(layout.is_signed)
    bare.BitsAllocated, bare.BitsStored, bare.HighBit = layout.allocated, layout.stored, layout.stored - 1
    data = file.header.elements.get_item(keywords[0]).value
    setattr(bare, keywords[0], data)
    bare[keywords[0]].VR = {"PixelData": "OB" if layout.allocated <= 8 else "OW"}.get(keywords[0], bare[keywords[0]].VR)
    needed = layout.rows * layout.columns * layout.frames * layout.allocated * layout.samples // 8
    if not file.is_compressed and len(data) < (needed * 2 // 3 if layout.photometric == "YBR_FULL_422" else needed):
        raise DataError(f"its header promises {needed:,} bytes of pixels, it has {len(data):,}")
    return bare


def _decoded(bare: Dataset, layout: Layout) -> np.ndarray:
    syntax = bare.file_meta.TransferSyntaxUID
    plugin = plugin_for(syntax, layout.stored)
    if plugin is None:
        raise UserError(
            f"its pixels are compressed ({syntax.name}), and nothing that is installed decodes them. "
            'Install it: pip install "monai_vlsm[dicom]"'
        )
    _check_codestreams(bare, layout)
    return decode_apart(bare) if plugin == APART else decode(bare, plugin)


def _check_codestreams(bare: Dataset, layout: Layout) -> None:
    """Refuse frames that are missing, or of another size than the header says: decoders reserve what they promise."""
    count = 0
    for count, frame in enumerate(_frames(bare, layout.frames), start=1):
        size = size_in_codestream(frame, bare.file_meta.TransferSyntaxUID)
        if size not in (None, (layout.rows, layout.columns)):
            raise DataError(
                f"its header promises frames of {layout.rows} x {layout.columns} pixels, but frame {count} has "
                f"{size[0]:,} x {size[1]:,}"
            )
    if count != layout.frames:
        raise DataError(f"its header promises {layout.frames} frames, it has {count}")


def _frames(bare: Dataset, count: int) -> Iterator[bytes]:
    if IS_NEW_PYDICOM:
        return encaps.generate_frames(bare.PixelData, number_of_frames=count)
    return encaps.generate_pixel_data_frame(bare.PixelData, count)


def _without_unused_bits(values: np.ndarray, layout: Layout) -> np.ndarray:
    """Clear, or fill with the sign, the bits above those in use: old files keep overlays in them."""
    unused = values.dtype.itemsize * 8 - layout.stored
    if values.dtype.kind not in "iu" or layout.allocated == 1 or layout.stored == layout.allocated:
        return values
    shifted = np.left_shift(values, unused)
    return np.right_shift(shifted, unused, out=shifted)
