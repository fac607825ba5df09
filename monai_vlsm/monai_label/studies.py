"""What scores and reviews need of the studies, and what requests may name in their folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from monai_vlsm.errors import MissingFileError
from monai_vlsm.monai_label.refusals import BusyError, ForbiddenError

STORED_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".jpg", ".png", ".tif")
"""Kinds of files in a studies folder, images and labels; the longest suffix of a name comes first."""
READ_SUFFIXES = (*STORED_SUFFIXES, ".jpeg", ".tiff", ".bmp", ".webp", ".mha")
"""Kinds of uploaded files that are segmented but not kept."""
LONGEST_ID = 128
"""Bytes of the name of an image; a file name may have 255 on most disks."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])( *\..*)?", re.IGNORECASE)
"""What is no file on Windows, in any folder and with any suffix; studies may lie on a disk that it reads."""
MOST_SESSIONS = 100
"""Images that are kept for a while and no part of the studies."""
LARGEST_SESSIONS = 16 * 2**30
"""Bytes of all of them."""


class Studies(Protocol):
    """What is needed of :class:`monai_vlsm.monai_label.datastore.StudiesDatastore`."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Return what is held while something that was read must stay as it is."""

    def list_images(self) -> list[str]:
        """Return the names of all images."""

    def get_unlabeled_images(self) -> list[str]:
        """Return the names of those that are to be labeled."""

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        """Return the labels of an image by tag."""

    def image_path(self, image: str) -> Path:
        """Return the file of an image."""

    def label_path(self, label: str, tag: str) -> Path:
        """Return the file of a label."""

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """Return what is known of an image."""

    def update_image_infos(self, infos: Mapping[str, dict[str, Any]]) -> None:
        """Add to what is known of images."""

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Take a file in as the label of an image."""


def require_id(name: str) -> str:
    """Return the name of a new image, if it can be nothing but the name of a file in one folder.

    Letters and digits of all scripts are allowed, which leaves out every separator and what looks like one.

    Raises:
        ForbiddenError: if it has other characters than letters, digits, spaces and ``_-.()+,=@``, begins or ends with a
            dot or space, has ``..`` in it, is a device on Windows (``NUL``), or is too long.
    """
    allowed = all(char.isalnum() or char in " _-.()+,=@" or unicodedata.combining(char) for char in name)
    plain = allowed and ".." not in name and name == name.strip(" .") and not _DEVICE.fullmatch(name)
    if not name or not plain or len(name.encode()) > LONGEST_ID:
        raise ForbiddenError(
            f"an image may be called by letters, digits, spaces and _-.()+,=@, up to {LONGEST_ID} bytes, without a dot "
            f"or space at its ends, without '..', and not like a device of Windows; not {name!r:.300}."
        )
    return name


def require_suffix(name: str | None, suffixes: tuple[str, ...] = STORED_SUFFIXES) -> str:
    """Return the suffix of an uploaded file in lower case; nothing else of its name is ever used.

    Raises:
        ForbiddenError: if it is not among ``suffixes``.
    """
    for suffix in suffixes:
        if str(name).lower().endswith(suffix):
            return suffix
    raise ForbiddenError(f"a file must end in one of {', '.join(suffixes)}, not {name!r}.")


def require_below(path: str | Path, folder: str | Path) -> Path:
    """Return the file that ``path`` leads to, if it lies in ``folder`` after all links are followed.

    Raises:
        MissingFileError: if there is no such file.
        ForbiddenError: if it lies elsewhere.
    """
    resolved = Path(path).resolve()
    if not resolved.is_relative_to(Path(folder).resolve()):
        raise ForbiddenError(
            f"{Path(path).name!r} leads out of the folder of the studies: put a copy there, not a link."
        )
    if not resolved.exists():
        raise MissingFileError(f"there is no {Path(path).name!r} any more.")
    return resolved


def require_room(folder: str | Path, size: int) -> None:
    """Raise a BusyError unless the folder of sessions has room for one more of ``size`` bytes."""
    kept = [path for path in Path(folder).glob("*/*") if path.is_file()]
    used = sum(path.stat().st_size for path in kept)
    if len({path.parent for path in kept}) >= MOST_SESSIONS or used + size > LARGEST_SESSIONS:
        raise BusyError(
            f"there is room for {MOST_SESSIONS} images of {LARGEST_SESSIONS:,} bytes in all that are no part of the "
            "studies: close one of them, or wait for its end."
        )
