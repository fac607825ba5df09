"""Prompts whose target an image does not show: what to train on, and to ask, so that a mask may stay empty."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from tqdm.auto import tqdm

from monai_vlsm.data.names import is_raster
from monai_vlsm.data.pictures import mask_values, open_picture
from monai_vlsm.errors import DataError

Prompts = Mapping[str, Sequence[str]]
"""Sentences by level, as in an entry of a datalist."""

NO_LABEL = ""
"""In place of the file of a mask, in entries whose target is absent."""

MOST_CLASSES = 32
"""More different sentences at level p1 than this are descriptions, which may well name one thing in two ways."""

_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "ultrasound": ("kidney", "gallbladder", "fetal head", "thyroid nodule", "left ventricle", "liver cyst"),
    "endoscop|colonoscop": ("vocal cords", "tooth", "stomach ulcer", "kidney stone", "retina"),
    "dermoscop|skin|photo": ("tooth", "polyp", "fetal head", "optic disc", "kidney"),
    "x-ray|radiograph": ("knee joint", "tooth", "hip implant", "kidney stone", "wrist fracture"),
    "brain": ("liver", "kidney", "knee cartilage", "prostate", "spleen"),
    "ct": ("knee cartilage", "fetal head", "tooth", "prostate", "skin lesion"),
    "microscop|histolog|patholog": ("tooth", "optic disc", "kidney stone", "left ventricle", "polyp"),
}
"""By words in the name of a modality: what its images do not show unless the set is about it."""
_ANYWHERE = ("tooth", "kidney stone", "fetal head", "optic disc", "knee cartilage")


def absent_wordings(modality: str, *about: str) -> tuple[str, ...]:
    """Return names of things that no image of a set shows.

    Args:
        modality: how its images were made, in words.
        about: texts on what its images do show; things that share a word with them are left out.
    """
    found = next((things for words, things in _ELSEWHERE.items() if _names(words, modality)), _ANYWHERE)
    shown = set().union(*map(_words, about))
    return tuple(thing for thing in found if not _words(thing) & shown)


class AbsentPrompts:
    """What each image of a datalist does not show: classes of other images, and things that none shows.

    The first sentence of level p1 names the class of an entry. An image shows the classes of its entries whose mask is
    not empty; a class in whose name there are all the words of a shown one, or the other way round, is taken for shown.
    Where there are more than ``MOST_CLASSES`` of them, or one for every other image, they are no classes: none is used.

    Args:
        entries: of :func:`monai_vlsm.data.load_datalist`; those without prompts name no class.
        wordings: names of things that no image shows.
    """

    def __init__(self, entries: Sequence[Mapping[str, Any]], wordings: Sequence[str] = ()) -> None:
        self.wordings = tuple(wordings)
        self.donors: dict[str, list[Prompts]] = {}
        self._shown: dict[str, set[str]] = {}
        self._asked: dict[str, set[str]] = {}
        many = len(entries) > 500
        for entry in tqdm(entries, desc="looking for empty masks", unit="mask", disable=not many):
            self._add(entry)
        if len(self.donors) > min(MOST_CLASSES, max(10, len(self._shown) // 2)):
            self.donors = {}

    def of(self, image: str) -> list[str]:
        """Return the classes, keys of ``donors``, that an image does not show."""
        shown = self._shown.get(str(image), set())
        return [name for name in self.donors if not any(_is_same(name, other) for other in shown)]

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield, for every image, entries without mask: each class it does not show and is not asked for yet, and
        one of the things that no image shows, in turn."""
        for number, image in enumerate(self._shown):
            asked = self._asked[image]
            donors = [self.donors[name][number % len(self.donors[name])] for name in self.of(image)]
            for prompts in donors:
                if prompts["p1"][0] not in asked:
                    yield {"image": image, "label": NO_LABEL, "prompts": prompts}
            if self.wordings:
                wording = self.wordings[number % len(self.wordings)]
                yield {"image": image, "label": NO_LABEL, "prompts": self._worded(wording)}

    def _worded(self, wording: str) -> Prompts:
        levels = {level for donors in self.donors.values() for prompts in donors for level in prompts}
        return {level: [wording] for level in sorted(levels | {"p1"})}

    def _add(self, entry: Mapping[str, Any]) -> None:
        image, prompts = str(entry["image"]), entry.get("prompts") or {}
        shown, asked = self._shown.setdefault(image, set()), self._asked.setdefault(image, set())
        if not prompts.get("p1"):
            return
        name = prompts["p1"][0]
        asked.add(name)
        if not is_empty_mask(str(entry["label"])):
            shown.add(name)
            self.donors.setdefault(name, []).append(prompts)


def absent_entries(entries: Sequence[Mapping[str, Any]], wordings: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return entries that ask for what their image does not show, see :class:`AbsentPrompts`; ``label`` is ``""``.

    They have the ``group`` of their image.
    """
    groups = {str(entry["image"]): {"group": entry["group"]} for entry in entries if "group" in entry}
    return [{**entry, **groups.get(entry["image"], {})} for entry in AbsentPrompts(entries, wordings).entries()]


def is_empty_mask(path: str) -> bool:
    """Tell whether a mask shows nothing. Of medical files it is not known before they are read: they count as not.

    Raises:
        DataError: if the file is damaged.
    """
    if path == NO_LABEL:
        return True
    if not is_raster(path):
        return False
    try:
        with open_picture(path) as picture:
            return not mask_values(picture).any()
    except DataError as error:
        raise DataError(f"the mask {path!r} cannot be used: {error}") from error


def _names(words: str, modality: str) -> bool:
    return re.search(rf"\b(?:{words})", modality, re.IGNORECASE) is not None


@lru_cache(maxsize=1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(word.removesuffix("s") for word in re.findall(r"[^\W\d_]{3,}", text.lower()))


def _is_same(name: str, other: str) -> bool:
    """Tell whether one of two classes may be a kind of the other, by their words."""
    first, second = _words(name), _words(other)
    return first <= second or second <= first
