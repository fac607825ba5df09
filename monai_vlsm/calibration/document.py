"""The file ``models/calibration.json``: written whole or not at all, and read as what may come from a stranger."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from monai_vlsm.bundle import CALIBRATION
from monai_vlsm.bundle.files import parse_json, read_file
from monai_vlsm.calibration.calibrated import IDENTITY, Calibration
from monai_vlsm.calibration.schema import faults
from monai_vlsm.data.whole import file_sha256, replace_whole
from monai_vlsm.errors import DataError, MissingFileError

_WAY_OUT = "Run 'calibrating' again as docs/calibration.md says, or take the file away to go on without a calibration."
_WORDS = {"best_dice": ("threshold", "best_dice"), "risk_control": ("risk_control", "threshold")}
"""Words for a threshold: part of the file, and name of the number in it."""


def write_document(path: str | Path, document: Mapping[str, Any]) -> None:
    """Write a calibration, whole or not at all.

    Raises:
        DataError: if it is none, or the file cannot be written.
    """
    content = json.dumps(document, indent=1).encode()
    parse_document(content, path)
    with replace_whole(path) as part:
        part.write_bytes(content + b"\n")


def read_document(path: str | Path) -> dict[str, Any]:
    """Return all that a calibration says, as docs/calibration.md lists it.

    Raises:
        MissingFileError: if there is none.
        DataError: if it is not one of this version, or has a value that cannot be.
    """
    return parse_document(read_file(path), path)


def parse_document(content: bytes, path: str | Path) -> dict[str, Any]:
    """Return what :func:`read_document` does, of a file that has been read; ``path`` is for messages."""
    document = parse_json(content, path)
    for fault in faults(document):
        raise DataError(f"{str(path)!r} is no calibration that this version reads: {fault}. {_WAY_OUT}")
    return document


def read_calibration(checkpoint: str | Path, image_size: int) -> Calibration:
    """Return the calibration that lies beside a model, or that of a model without one if there is no such file.

    Args:
        checkpoint: file of the model that runs.
        image_size: at which it runs, in pixels.

    Raises:
        MissingFileError: if there is a calibration, but no checkpoint.
        DataError: if the calibration is of another checkpoint or image size, or as :func:`read_document`.
    """
    path = Path(checkpoint).with_name(CALIBRATION.name)
    if not os.path.lexists(path):
        return IDENTITY
    document = read_document(path)
    require_fit(document, path, sha256_of(checkpoint), image_size)
    return calibration_of(document)


def require_fit(document: Mapping[str, Any], path: str | Path, checkpoint_sha256: str, image_size: int) -> None:
    """Raise a DataError unless a calibration is of this checkpoint and image size."""
    if document["checkpoint_sha256"] != checkpoint_sha256:
        raise DataError(f"{str(path)!r} was made for another checkpoint than the one beside it. {_WAY_OUT}")
    if document["image_size"] != image_size:
        made = f"the image size {document['image_size']}, and the model runs at {image_size}"
        raise DataError(f"{str(path)!r} was made for {made}. {_WAY_OUT}")


def calibration_of(document: Mapping[str, Any]) -> Calibration:
    """Return the numbers that a calibration is used for."""
    presence = document["presence"]
    found = {word: document[part].get(name) for word, (part, name) in _WORDS.items()}
    return Calibration(
        temperature=document["temperature"].get("value", IDENTITY.temperature),
        slope=presence.get("a", IDENTITY.slope),
        offset=presence.get("b", IDENTITY.offset),
        cut=presence.get("threshold", IDENTITY.cut),
        thresholds={word: value for word, value in found.items() if value is not None},
        missing={word: document[part]["missing"] for word, (part, _) in _WORDS.items() if found[word] is None},
    )


def sha256_of(checkpoint: str | Path) -> str:
    """Return the checksum of a checkpoint; a file that stayed as it was is read once.

    Raises:
        MissingFileError: if there is none.
    """
    try:
        facts = os.stat(checkpoint)
    except FileNotFoundError as error:
        raise MissingFileError(
            f"there is no checkpoint {str(Path(checkpoint).absolute())!r}, which the calibration belongs to. Train "
            "first, or take the calibration away."
        ) from error
    return _sha256(os.path.abspath(checkpoint), facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: str, *state: int) -> str:
    return file_sha256(Path(path))
