"""From stored values to those that are shown: rescaling, window or lookup table, and which end is white."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from monai_vlsm.dicom.header import Header
from monai_vlsm.dicom.pixels import PALETTE, Layout
from monai_vlsm.errors import DataError

_WHITE = 255
_SMALLEST_SLOPE = 1e-12


@dataclass(frozen=True)
class Lookup:
    """A table of a header: values below ``first`` take its first entry, those above the table its last.

    Args:
        table: entries.
        first: value that takes the first entry.
        largest: entry that is meant by white.
    """

    table: np.ndarray
    first: int
    largest: int

    @classmethod
    def of(cls, header: Header, descriptor: str, data: str, is_signed: bool) -> Lookup:
        """Read a table; ``is_signed`` says whether it may begin below 0."""
        entries, first, bits = (int(value) for value in header.numbers(descriptor, 3) or (0, 0, 0))
        entries = entries or 2**16
        raw = header.raw(data)
        wide = len(raw) >= 2 * entries
        if not 8 <= bits <= 16 or len(raw) < entries:
            raise DataError(f"{data} in its header is shorter than {descriptor} says, or missing")
        table = np.frombuffer(raw, "<u2" if wide else "u1", entries)
        return cls(table, first - 2**16 if is_signed and first >= 2**15 else first, 2**bits - 1)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the entries for values of any shape."""
        indices = np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.table) - 1)
        return np.minimum(self.table, self.largest)[indices]


@dataclass(frozen=True)
class Modality:
    """What stored values measure: a slope and an intercept, or a table."""

    slope: float = 1
    intercept: float = 0
    lookup: Lookup | None = None

    @classmethod
    def of(cls, header: Header, is_signed: bool) -> Modality:
        """Read it from a header, or from the item for a frame."""
        if tables := header.items("ModalityLUTSequence"):
            return cls(lookup=Lookup.of(tables[0], "LUTDescriptor", "LUTData", is_signed))
        slope, intercept = (header.number(f"Rescale{name}") for name in ("Slope", "Intercept"))
        if slope is not None and abs(slope) < _SMALLEST_SLOPE:
            raise DataError("RescaleSlope in its header is 0, which would make all pixels equal")
        return cls(1 if slope is None else slope, intercept or 0)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return measured values; the stored ones, of their own type, where nothing is to be done."""
        if self.lookup is not None:
            return self.lookup(values)
        if (self.slope, self.intercept) == (1, 0):
            return values
        return values * np.float64(self.slope) + self.intercept


@dataclass(frozen=True)
class Window:
    """What of the measured values is black and white, by the formulas of DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3.

    Args:
        center, width: in measured units.
        function: LINEAR, LINEAR_EXACT or SIGMOID.
        lookup: a table in place of these.
    """

    center: float = 0
    width: float = 0
    function: str = "LINEAR"
    lookup: Lookup | None = None

    @classmethod
    def of(cls, header: Header, lowest: float) -> Window | None:
        """Read the first table, or else the first window; None where there is neither.

        Args:
            header: of the file, or the item for a frame.
            lowest: measured value that can be stored.
        """
        if tables := header.items("VOILUTSequence"):
            return cls(lookup=Lookup.of(tables[0], "LUTDescriptor", "LUTData", lowest < 0))
        center, width = header.number("WindowCenter"), header.number("WindowWidth")
        if center is None or width is None:
            return None
        window = cls(center, width, header.text("VOILUTFunction").upper() or "LINEAR")
        if window.function not in _FUNCTIONS:
            raise DataError("VOILUTFunction in its header is none of LINEAR, LINEAR_EXACT and SIGMOID")
        if width <= 0 or (window.function == "LINEAR" and width < 1):
            raise DataError("WindowWidth in its header is below 1, or not above 0 where its function is not LINEAR")
        return window

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return brightness from 0 to 1."""
        if self.lookup is not None:
            return self.lookup(values) / self.lookup.largest
        return _FUNCTIONS[self.function](values.astype(np.float64), self.center, self.width)


def _linear(values: np.ndarray, center: float, width: float) -> np.ndarray:
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def _linear_exact(values: np.ndarray, center: float, width: float) -> np.ndarray:
    return np.clip((values - center) / width + 0.5, 0, 1)


def _sigmoid(values: np.ndarray, center: float, width: float) -> np.ndarray:
    return 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -700, 700)))


_FUNCTIONS: dict[str, Callable[[np.ndarray, float, float], np.ndarray]] = {
    "LINEAR": _linear,
    "LINEAR_EXACT": _linear_exact,
    "SIGMOID": _sigmoid,
}


@dataclass(frozen=True)
class Grays:
    """The way from stored gray values to shown ones.

    Args:
        layout: of the stored values.
        modality: what they measure.
        window: what is black and white, if anything says so.
        padding: lowest and highest stored value that means "no image here", which is shown as black.
    """

    layout: Layout
    modality: Modality
    window: Window | None
    padding: tuple[float, float] | None = None

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """Return uint8 where there is a window, else measured values with the dark end low, float32 if rescaled."""
        if self.layout.allocated > 16:
            shown = self._shown(stored)
        else:
            # All values that can be stored, once, instead of every pixel.
            unsigned = np.dtype(f"u{stored.dtype.itemsize}")
            every = np.arange(2 ** (8 * stored.dtype.itemsize)).astype(unsigned).view(stored.dtype)
            shown = self._shown(every)[stored.view(unsigned)]
        return self._without_padding(stored, shown)

    def _shown(self, stored: np.ndarray) -> np.ndarray:
        measured = self.modality(stored)
        inverted = self.layout.photometric == "MONOCHROME1"
        if self.window is not None:
            brightness = self.window(measured)
            return np.rint((1 - brightness if inverted else brightness) * _WHITE).astype(np.uint8)
        if inverted:
            measured = (self._ends().sum() - measured.astype(np.float64)).astype(measured.dtype)
        return measured.astype(np.float32) if measured.dtype == np.float64 else measured

    def _ends(self) -> np.ndarray:
        """Return what the lowest and the highest value that can be stored measure."""
        return self.modality(_stored_ends(self.layout)).astype(np.float64)

    def _without_padding(self, stored: np.ndarray, shown: np.ndarray) -> np.ndarray:
        if self.padding is None:
            return shown
        padded = (stored >= self.padding[0]) & (stored <= self.padding[1])
        if padded.any() and not padded.all():
            shown[padded] = 0 if self.window is not None else shown[~padded].min()
        return shown


def _stored_ends(layout: Layout) -> np.ndarray:
    lowest = -(2 ** (layout.stored - 1)) if layout.is_signed else 0
    return np.array([lowest, lowest + 2**layout.stored - 1], np.int64)


def lowest_measured(layout: Layout, modality: Modality) -> float:
    """Return the lowest value that a pixel can measure."""
    return float(modality(_stored_ends(layout)).min())


def padding_of(header: Header, layout: Layout) -> tuple[float, float] | None:
    """Return the lowest and the highest stored value of padding."""
    values = [*header.numbers("PixelPaddingValue"), *header.numbers("PixelPaddingRangeLimit")]
    if layout.is_signed:
        values = [value - 2**16 if value >= 2**15 else value for value in values]
    return (min(values), max(values)) if "PixelPaddingValue" in header.elements and values else None


def to_colors(stored: np.ndarray, layout: Layout, header: Header) -> np.ndarray:
    """Return (..., 3) uint8 of stored colors, or of the entries of a palette."""
    if layout.photometric == PALETTE:
        return np.stack([_palette(header, color, layout)[stored] for color in ("Red", "Green", "Blue")], axis=-1)
    return (stored >> (layout.stored - 8)).astype(np.uint8) if layout.stored > 8 else stored.astype(np.uint8)


def _palette(header: Header, color: str, layout: Layout) -> np.ndarray:
    """Return the brightness of one color, for every value that can be stored."""
    if layout.is_signed or layout.allocated not in (8, 16):
        raise DataError(
            "its palette is one of signed values, or not of 8 or 16 bits, which is not read: save it as RGB"
        )
    name = f"{color}PaletteColorLookupTable"
    lookup = Lookup.of(header, f"{name}Descriptor", f"{name}Data", is_signed=False)
    return np.rint(lookup(np.arange(2**layout.allocated)) * (_WHITE / lookup.largest)).astype(np.uint8)
