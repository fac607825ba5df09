"""What the header of a medical file says before it is believed: other files that it names, and how much it promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import BinaryIO

from monai_vlsm.data.limits import refuse_oversized
from monai_vlsm.errors import DataError

_LONGEST = 2**20
"""Bytes of a text header; ITK writes a few hundred."""

_DEFLATE_LIMIT = 1032
"""Times that gzip and zlib can shrink data at most."""

_LONG_KINDS = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
"""DICOM's kinds of values (VR) whose length has 32 bits."""

_KINDS = (
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"),
    *(b"ST", b"TM", b"UI", b"UL", b"US", *_LONG_KINDS),
)

_DICOM_START = b"DICM\x02\0\0\0UL\x04\0"
"""Behind the preamble of every DICOM file: the length of its meta information, which the standard demands."""

_UNDEFINED = 0xFFFFFFFF
_PIXELS, _ITEM = 0x7FE0, 0xFFFE
"""DICOM's groups of pixels, and of the items of sequences of undefined length."""

_META_FIELD = re.compile(rb"ElementDataFile", re.IGNORECASE)
_NRRD_FIELD = re.compile(rb"^[ \t]*data ?file[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)


def data_file_of(path: str | Path) -> Path:
    """Return the file that holds the values of a MetaImage or NRRD file: itself, or the one that its header names.

    A header can name any file of the machine, lists and patterns of files. Allowed is what programs write: one plain
    name, of a regular file in the same folder that is no link.

    Raises:
        DataError: if the header names anything else.
    """
    path = Path(path)
    with path.open("rb") as file:
        header = file.read(_LONGEST)
    name = _nrrd_data_file(header) if path.suffix.lower() == ".nrrd" else _meta_data_file(header)
    if name is None:
        return path
    beside = path.parent / name
    plain = re.fullmatch(r"[^\s/\\%:\x00-\x1f]+", name) and name.upper() != "LIST" and name not in (".", "..")
    if not plain or beside.is_symlink() or not beside.is_file():
        raise DataError(
            f"its header takes the values from {name!r}; allowed is the plain name of one file in the same folder, "
            "which is no link"
        )
    return beside


def is_compressed(path: Path) -> bool:
    """Tell whether the values of a MetaImage or NRRD file may be compressed, by its header."""
    with path.open("rb") as file:
        header = file.read(_LONGEST)
    pattern = rb"^[ \t]*(CompressedData[ \t]*[=:][ \t]*[tT1yY]|encoding[ \t]*:[ \t]*(?!raw))"
    return re.search(pattern, header, re.IGNORECASE | re.MULTILINE) is not None


def _meta_data_file(header: bytes) -> str | None:
    """Return what stands in ElementDataFile, None for the file itself."""
    found = _META_FIELD.search(header)
    line = re.compile(rb"[ \t]*ElementDataFile[ \t]*[=:]([^\n]*)\n").match(
        header, header.rfind(b"\n", 0, found.start()) + 1 if found else 0
    )
    if found is None or line is None:
        raise DataError("its header does not say in a line ElementDataFile where its values are")
    name = line[1].decode("latin-1").strip()
    return None if name.upper() == "LOCAL" else name


def _nrrd_data_file(header: bytes) -> str | None:
    """Return what stands in ``data file``, None for the file itself."""
    if not header.startswith(b"NRRD"):
        raise DataError("it is no NRRD file")
    text = re.split(rb"\r?\n\r?\n", header, maxsplit=1)[0]
    names = _NRRD_FIELD.findall(text)
    return names[-1].decode("latin-1").strip() if names else None


def refuse_odd_elements(path: Path) -> bool:
    """Refuse a DICOM file with an element that is damaged or longer than the file; tell whether it is compressed.

    GDCM guesses where a header is damaged, and reserves what it promises. Left to GDCM are elements in sequences whose
    kinds are left out, and compressed pixels.
    """
    stored = path.stat().st_size
    with path.open("rb") as file:
        if file.read(140)[128:] != _DICOM_START:
            raise DataError("it is no DICOM file")
        file.seek(132)
        explicit: bool | None = None
        while len(start := file.read(8)) == 8:
            group, kind = int.from_bytes(start[:2], "little"), start[4:6]
            if explicit is None and group not in (2, _ITEM):
                explicit = kind in _KINDS  # behind the meta information the kinds may be left out
            is_told = group != _ITEM and explicit is not False
            length = _told_length(start, file) if is_told else int.from_bytes(start[4:], "little")
            if group == _PIXELS and length == _UNDEFINED:
                return True
            if length != _UNDEFINED and file.tell() + length > stored:
                raise DataError(f"an element of its header promises {length:,} bytes, the file has {stored:,}")
            if group != _ITEM and length != _UNDEFINED and not (is_told and kind == b"SQ"):
                file.seek(length, 1)
    return False


def _told_length(start: bytes, file: BinaryIO) -> int:
    """Return the length of an element that tells its kind; lengths of 32 bits follow in the file."""
    kind, short = start[4:6], int.from_bytes(start[6:], "little")
    if kind not in _KINDS or (kind in _LONG_KINDS and short):
        raise DataError("an element of its header is damaged")
    return int.from_bytes(file.read(4), "little") if kind in _LONG_KINDS else short


def refuse_empty_promises(size: tuple[int, ...], bytes_per_value: int, stored: int, compressed: bool) -> None:
    """Refuse an image that is too large, or whose file cannot hold the values that its header promises.

    Args:
        size: of the image along every axis.
        bytes_per_value: of all channels of a pixel together.
        stored: bytes of the file.
        compressed: whether its values may be compressed.

    Raises:
        DataError: before memory is taken for what is not there.
    """
    refuse_oversized(size)
    promised = bytes_per_value
    for axis in size:
        promised *= int(axis)
    if promised > stored * (_DEFLATE_LIMIT if compressed else 1):
        raise DataError(f"its header promises {promised:,} bytes of voxels, the file has {stored:,}")
