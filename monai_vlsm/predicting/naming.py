"""Names for the results of images: safe on every disk, and the same in every run over the same images."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monai_vlsm.data.names import IMAGE_SUFFIXES

_LONGEST_PART = 120
"""Bytes of a folder or file in a name: disks take 255, and what kind of result it is comes behind."""
_LONGEST_SLUG = 60
"""Characters of a label in the name of a file."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"|?*\\]')


@dataclass(frozen=True)
class Place:
    """A file, and the folder that its name begins below.

    Args:
        path: absolute.
        base: a folder above it.
    """

    path: Path
    base: Path


def unique_names(places: Sequence[Place]) -> list[str]:
    """Return a name for every file: without suffix below its base, and where several would have one, longer ones.

    All that would share a name get a longer one, so that it does not matter which is seen first; letters of another
    case are one letter, as on many disks.
    """
    candidates = [_candidates(place) for place in places]
    levels = [0] * len(places)
    while True:
        names = [names[level] for names, level in zip(candidates, levels, strict=True)]
        shared = {name for name, count in Counter(map(str.casefold, names)).items() if count > 1}
        if not shared:
            return names
        for index, name in enumerate(names):
            if name.casefold() in shared:
                levels[index] = min(levels[index] + 1, len(candidates[index]) - 1)


def slug(text: str) -> str:
    """Return what of a label may stand in the name of a file: letters, digits and ``-``; never empty."""
    words = re.sub(r"[^\w]+|_+", "-", unicodedata.normalize("NFKC", text)).strip("-")
    words = words.encode("utf-8", "ignore").decode()
    return words if 0 < len(words) <= _LONGEST_SLUG and words.isascii() else _short(words, text)


def _short(words: str, text: str) -> str:
    ascii_words = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode()
    return f"{ascii_words[: _LONGEST_SLUG - 9]}-{_digest(text)}".strip("-")


def _candidates(place: Place) -> list[str]:
    below = place.path.relative_to(place.base).as_posix()
    stem, suffix = _split(below)
    longer = f"{stem}_{suffix}" if suffix else stem
    folder = f"{place.base.name}/" if place.base.name else ""
    names = [stem, longer, f"{folder}{stem}", f"{folder}{longer}", f"{stem}_{_digest(str(place.path))}"]
    return ["/".join(map(_safe, name.split("/"))) for name in names]


def _split(name: str) -> tuple[str, str]:
    """Return a name without its suffix, and the suffix; numbers behind a point, as in DICOM names, are none."""
    found = [suffix for suffix in (*IMAGE_SUFFIXES, ".dicom") if name.lower().endswith(suffix)]
    length = max(map(len, found), default=0)
    return name[: len(name) - length], name[len(name) - length + 1 :].replace(".", "_") if length else ""


def _safe(part: str) -> str:
    """Return a folder or file without what disks or terminals do not take: two parts may become one name."""
    safe = _UNSAFE.sub("_", unicodedata.normalize("NFC", part)).rstrip(". ")
    safe = f"_{safe[1:]}" if safe.startswith(".") else safe or "_"
    if len(safe.encode()) <= _LONGEST_PART:
        return safe
    return f"{safe.encode()[: _LONGEST_PART - 9].decode('utf-8', 'ignore')}_{_digest(part)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
