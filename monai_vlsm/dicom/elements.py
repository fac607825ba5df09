"""The elements of a DICOM file, walked through before any library opens it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from monai_vlsm.errors import DataError

_LONG_KINDS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
"""DICOM's kinds of values (VR) whose length has 32 bits."""

_KINDS = (
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"),
    *(b"ST", b"TM", b"UI", b"UL", b"US", *_LONG_KINDS),
)

_DICOM_START = b"DICM\x02\0\0\0UL\x04\0"
"""Behind the preamble of every DICOM file: the length of its meta information, which the standard demands."""

_UNDEFINED = 0xFFFFFFFF
_PIXELS, _ITEM, _END_OF_SEQUENCE = 0x7FE0, 0xFFFE, b"\xfe\xff\xdd\xe0"
"""DICOM's groups of pixels, and of items of sequences of undefined length, and the tag that ends such a sequence."""


def refuse_odd_elements(path: Path) -> bool:
    """Refuse a DICOM file with an element that is damaged or longer than the file; tell whether it is compressed.

    Libraries guess where a header is damaged, and reserve what it promises. Left to them is what lies in sequences
    whose length is told, which cannot be longer than that, and compressed pixels.
    """
    stored = path.stat().st_size
    with path.open("rb") as file:
        if file.read(140)[128:] != _DICOM_START:
            raise DataError("it is no DICOM file")
        file.seek(132)
        explicit: bool | None = None
        unknown = 0  # sequences of unknown kind (UN) around; in them no kinds are told
        while len(start := file.read(8)) == 8:
            group, kind = int.from_bytes(start[:2], "little"), start[4:6]
            if explicit is None and group not in (2, _ITEM):
                explicit = kind in _KINDS  # behind the meta information the kinds may be left out
            is_told = group != _ITEM and explicit is not False and not unknown
            length = _told_length(start, file) if is_told else int.from_bytes(start[4:], "little")
            if group == _PIXELS and length == _UNDEFINED:
                return True
            if length == _UNDEFINED:
                unknown += group != _ITEM and (unknown > 0 or (is_told and kind == b"UN"))
            elif file.tell() + length > stored:
                raise DataError(f"an element of its header promises {length:,} bytes, the file has {stored:,}")
            elif group != _ITEM and not (is_told and kind == b"SQ"):
                file.seek(length, 1)
            unknown -= unknown > 0 and start[:4] == _END_OF_SEQUENCE
    return False


def _told_length(start: bytes, file: BinaryIO) -> int:
    """Return the length of an element that tells its kind; lengths of 32 bits follow in the file."""
    kind, short = start[4:6], int.from_bytes(start[6:], "little")
    if kind not in _KINDS or (kind in _LONG_KINDS and short):
        raise DataError("an element of its header is damaged")
    return int.from_bytes(file.read(4), "little") if kind in _LONG_KINDS else short
