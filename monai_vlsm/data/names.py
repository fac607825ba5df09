"""What the name of a file tells: its kind, its stem, its place in natural order."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

RASTER_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
"""Pictures for the screen, as opposed to medical formats with an affine."""
MEDICAL_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".dcm")
IMAGE_SUFFIXES = (*RASTER_SUFFIXES, *MEDICAL_SUFFIXES)
PIL_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
"""What Pillow may take a raster file for, whatever its name: left to itself it starts Ghostscript for an EPS."""
TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz")
ARCHIVE_SUFFIXES = (".zip", *TAR_SUFFIXES)
"""Archives that are unpacked here."""
SHEET_SUFFIX = ".xlsx"
"""A zip archive that is not unpacked."""
FOREIGN_ARCHIVE_SUFFIXES = (".rar", ".7z")
"""Archives that need another program."""
KEPT_SUFFIXES = (".png", ".jpg", ".jpeg")
"""Pictures that a prepared data set takes over as they are; all others become PNG."""
CACHE_FOLDER = "cache"
"""Below a bundle, beside ``eval`` and ``models``; it may be deleted whenever no training runs."""
TRAINING = "training"
"""Work that locks a folder, see :class:`.FolderLock`."""
LOCK_FILE = f".{TRAINING}.lock"
"""Stays in a folder that a training had locked."""
OWNER_FILE = f".{TRAINING}.json"
"""Says who trains into a folder."""


def is_raster(name: str | Path) -> bool:
    """Tell whether a file is a picture for the screen."""
    return str(name).lower().endswith(RASTER_SUFFIXES)


def is_nifti(name: str | Path) -> bool:
    """Tell whether a file is NIfTI."""
    return str(name).lower().endswith((".nii", ".nii.gz"))


def is_image(name: str | Path) -> bool:
    """Tell whether a file is an image of a known kind, and not hidden."""
    return not Path(name).name.startswith(".") and str(name).lower().endswith(IMAGE_SUFFIXES)


def is_medical(name: str | Path) -> bool:
    """Tell whether a file is of a medical format, in which everything above 0 is mask."""
    return str(name).lower().endswith(MEDICAL_SUFFIXES)


def stem_of(name: str | Path) -> str:
    """Return the name of a file without folder and suffix, also that of ``.nii.gz``."""
    name = Path(name).name
    return Path(name[: -len(".gz")] if name.lower().endswith(".gz") else name).stem


def stem_below(path: Path, folder: Path) -> str:
    """Return the path below ``folder`` without the suffix, with forward slashes.

    Letters with accents are composed (NFC), because some systems store them in two parts: both are one name.
    """
    stem = re.sub(r"(\.nii\.gz|\.[^./]+)$", "", path.relative_to(folder).as_posix(), flags=re.IGNORECASE)
    return unicodedata.normalize("NFC", stem)


def natural_order(name: str | Path) -> list[tuple[int, str]]:
    """Sort key under which image 2 comes before image 10."""
    parts = re.split(r"(\d+)", str(name).lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts] + [(-1, str(name))]
