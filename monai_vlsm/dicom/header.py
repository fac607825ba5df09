"""The header of a DICOM file as far as pixels, display and geometry need it; nothing about the patient is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from monai_vlsm.dicom.elements import refuse_odd_elements
from monai_vlsm.errors import DataError, UserError

_FUNCTIONAL_GROUPS = ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence")
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "InstanceNumber", "NumberOfFrames"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    *(f"{color}PaletteColorLookupTable{part}" for color in ("Red", "Green", "Blue") for part in ("Descriptor", "Data")),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices", "SliceThickness"),
    *("ImagerPixelSpacing", "NominalScannedPixelSpacing", "SequenceOfUltrasoundRegions", *_FUNCTIONAL_GROUPS),
)
_BINARY = {"US": "<u2", "SS": "<i2", "US or SS": "<u2", "UL": "<u4", "FL": "<f4", "FD": "<f8"}
"""NumPy's names of DICOM's kinds of numbers (VR); all others are text."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST_NUMBER = 64
_LARGEST = 1e12
"""Of all numbers of a header: no measure of a patient comes near it."""


@dataclass(frozen=True)
class Header:
    """Technical values of a DICOM file, or of an item in one of its sequences, each checked when it is asked for.

    pydicom's own conversion takes "nan" for a number and quotes what it cannot convert.
    """

    elements: Dataset

    def raw(self, keyword: str) -> bytes:
        """Return the bytes of a value, none where there is no such element."""
        if keyword not in self.elements:
            return b""
        value = self.elements.get_item(keyword).value
        if not isinstance(value, (bytes, type(None))):
            raise DataError(f"{keyword} in its header is no plain value")
        return value or b""

    def text(self, keyword: str) -> str:
        """Return the first value as text."""
        return self.raw(keyword).decode("latin-1").split("\\")[0].strip(" \0")

    def numbers(self, keyword: str, count: int | None = None) -> list[float]:
        """Return the numbers of an element; none where it is empty.

        Args:
            keyword: its name.
            count: how many there must be.

        Raises:
            DataError: if they are no finite numbers of a size that can be meant, or not as many.
        """
        raw, kind = self.raw(keyword), dictionary_VR(_tag(keyword))
        values = _binary(raw, _BINARY[kind]) if kind in _BINARY else _decimals(raw)
        if values is None or not all(abs(value) <= _LARGEST for value in values):  # false for NaN
            raise DataError(f"{keyword} in its header is no finite number of a size that can be meant")
        if values and count is not None and len(values) != count:
            raise DataError(f"{keyword} in its header has {len(values)} values, expected are {count}")
        return values

    def number(self, keyword: str, default: float | None = None) -> float | None:
        """Return the first number of an element, ``default`` where it is empty."""
        return next(iter(self.numbers(keyword)), default)

    def whole(self, keyword: str, default: int | None = None) -> int:
        """Return a whole number.

        Raises:
            DataError: if there is none, and no ``default``.
        """
        value = self.number(keyword, default)
        if value is None or value != int(value):
            raise DataError(f"{keyword} in its header is {'missing' if value is None else 'no whole number'}")
        return int(value)

    def items(self, keyword: str) -> list[Header]:
        """Return the items of a sequence."""
        if keyword not in self.elements:
            return []
        element = self.elements[keyword]
        if element.VR != "SQ":
            raise DataError(f"{keyword} in its header is no sequence")
        return [Header(item) for item in element.value]

    def of_frame(self, name: str, frame: int, groups: Sequence[Sequence[Header]]) -> Header:
        """Return the item of a functional group for one frame; the header itself where there is none.

        Args:
            name: of the sequence, for example PlanePositionSequence.
            frame: counted from 0.
            groups: what ``frame_groups`` returned.
        """
        per_frame, shared = groups
        for holder in (*per_frame[frame : frame + 1], *shared[:1]):
            if found := holder.items(name):
                return found[0]
        return self

    def frame_groups(self, frames: int) -> tuple[list[Header], list[Header]]:
        """Return what is told of each of the frames, and of all together, in enhanced multi-frame files.

        Raises:
            DataError: if it is told of another number of frames.
        """
        per_frame, shared = (self.items(name) for name in _FUNCTIONAL_GROUPS)
        if per_frame and len(per_frame) != frames:
            raise DataError(f"it has {frames} frames, its header describes {len(per_frame)}")
        return per_frame, shared


@dataclass(frozen=True)
class DicomFile:
    """A file whose header was read.

    Args:
        path: of the file.
        header: its technical values.
        syntax: how its values are stored.
        is_compressed: whether the pixels are.
    """

    path: Path
    header: Header
    syntax: UID
    is_compressed: bool


def open_file(path: Path, pixels: bool = False, also: Sequence[str] = ()) -> DicomFile:
    """Read the technical part of a header.

    Args:
        path: of the file.
        pixels: whether the stored pixels are read, too.
        also: keywords of further elements that are read.

    Raises:
        DataError: if it is no DICOM file of a kind that is read; the message quotes no value of the file.
    """
    with no_values_in_errors():
        is_compressed = refuse_odd_elements(path)
        wanted: list[Any] = [*_KEYWORDS, *also, *(PIXEL_KEYWORDS if pixels else ())]
        elements = dcmread(path, specific_tags=wanted, stop_before_pixels=not pixels)
        syntax = elements.file_meta.get("TransferSyntaxUID")
        if syntax is None or not UID(syntax).is_transfer_syntax:
            raise DataError("its header does not say in which transfer syntax it is written")
        if syntax in (ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
            raise DataError(f"the transfer syntax {UID(syntax).name} is not read: save it as Explicit VR Little Endian")
        return DicomFile(path, Header(elements), UID(syntax), is_compressed)


@contextmanager
def no_values_in_errors(what: str = "its header or its pixels are damaged") -> Iterator[None]:
    """Turn the errors of libraries, which quote values of the file, into a DataError of ``what`` and their class.

    A damaged header may have a patient's name where a number should be. Decoders written in Rust end in errors that
    are no Exceptions.
    """
    try:
        yield
    except (UserError, OSError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        reason = f"{what} ({type(error).__name__})"
    else:
        return
    raise DataError(reason)


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


def _binary(raw: bytes, kind: str) -> list[float] | None:
    if len(raw) % np.dtype(kind).itemsize:
        return None
    return [float(value) for value in np.frombuffer(raw, kind)]


def _decimals(raw: bytes) -> list[float] | None:
    parts = [part.strip(" \0") for part in raw.decode("latin-1").split("\\")]
    if parts == [""]:
        return []
    plain = all(len(part) <= _LONGEST_NUMBER and _NUMBER.fullmatch(part) for part in parts)
    return [float(part) for part in parts] if plain else None
