"""What compressed frames say about their own size, which decoders believe more than the header of the file."""

from __future__ import annotations

from pydicom.uid import UID, RLELossless

from monai_vlsm.errors import DataError

_JPEG, _JPEG_2000, _JPEG_2000_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP"
_FRAME_HEADERS = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
"""Second bytes of JPEG's markers of a frame header, that of JPEG-LS last."""
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD9), 0xFF)


def size_in_codestream(frame: bytes, syntax: UID) -> tuple[int, int] | None:
    """Return rows and columns of a compressed frame; None for RLE, which has no size of its own.

    Raises:
        DataError: if it is not of the kinds of JPEG that DICOM has.
    """
    if syntax == RLELossless:
        return None
    if frame.startswith(_JPEG):
        return _jpeg_size(frame)
    start = frame.find(_JPEG_2000) if frame.startswith(_JPEG_2000_BOX) else 0
    if start < 0 or frame[start : start + 4] != _JPEG_2000 or len(frame) < start + 24:
        raise DataError("its compressed pixels are damaged")
    right, bottom, left, top = (int.from_bytes(frame[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
    return bottom - top, right - left


def _jpeg_size(frame: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        kind = frame[at + 1]
        if kind in _FRAME_HEADERS:
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        at += 1 if kind == 0xFF else 2 if kind in _WITHOUT_LENGTH else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    raise DataError("its compressed pixels are damaged")
