"""Prompts that say less than is known of an image, or something else: to see what a network makes of that."""

from __future__ import annotations

import re

from monai_vlsm.data.paraphrases import NAMES
from monai_vlsm.data.prompts import number_in_words

_SIDE = r"(?:top|bottom|left|right|upper|lower|center|middle)"
_LOCATION = re.compile(
    r",? (?:located|situated) in .+? of the \w+"
    rf"| (?:at|in|on) the {_SIDE}(?:(?:,? and |, | ){_SIDE})*(?: (?:region|side|part|area|corner))?\b"
    rf"|,? (?:{_SIDE} )*(?:left|right) lung\b",
    re.IGNORECASE,
)
"""Where something lies, as the published prompts and those of this package say it; not the left in "left ventricle"."""
_OPPOSITE = {"top": "bottom", "left": "right", "upper": "lower"}
_OPPOSITE |= {there: here for here, there in _OPPOSITE.items()}
_OTHER_SIZE = {"tiny": "large", "small": "large", "medium": "tiny", "large": "small"}
_COUNTS = {number_in_words(count): count for count in range(1, 100)}
_SHAPES = ("round", "oval", "irregular", "circle", "circular", "triangular", "rectangular", "kidney", "lobulated")


def _words(words: list[str] | tuple[str, ...], end: str = "") -> str:
    return rf"(?<![\w-])(?:{'|'.join(words)}){end}(?![\w-]| (?:{NAMES})\b)"


_SIZE = _words(list(_OTHER_SIZE))
_NUMBER = _words(sorted(_COUNTS, key=len, reverse=True))
_ATTRIBUTES = {
    "location": _LOCATION,
    "size": re.compile(rf"{_SIZE}(?:(?:,| and|, and) {_SIZE})* ?", re.IGNORECASE),
    "number": re.compile(rf"{_NUMBER} ?", re.IGNORECASE),
    "shape": re.compile(rf"{_words(_SHAPES, '(?:-shaped)?')} ?", re.IGNORECASE),
}
ATTRIBUTES = tuple(_ATTRIBUTES)
"""What a prompt may tell of a target besides its name."""


def without(prompt: str, attribute: str) -> str | None:
    """Return a prompt without one of ``ATTRIBUTES``; None if it does not tell it."""
    return _changed(prompt, _tidy(_ATTRIBUTES[attribute].sub("", prompt), prompt))


def with_opposite_side(prompt: str) -> str | None:
    """Return a prompt that says left for right, top for bottom, and the reverse, where it tells the location."""
    sides = re.compile(_words(list(_OPPOSITE)), re.IGNORECASE)
    return _changed(
        prompt, _LOCATION.sub(lambda place: sides.sub(lambda side: _like(side[0], _OPPOSITE), place[0]), prompt)
    )


def with_other_size(prompt: str) -> str | None:
    """Return a prompt with sizes that are far from those it tells: large for small, tiny for medium."""
    return _changed(prompt, re.sub(_SIZE, lambda size: _like(size[0], _OTHER_SIZE), prompt, flags=re.IGNORECASE))


def with_other_number(prompt: str) -> str | None:
    """Return a prompt that counts two more than it did; the noun stays as it is."""
    other = {word: number_in_words(count + 2) for word, count in _COUNTS.items()}
    return _changed(prompt, re.sub(_NUMBER, lambda word: _like(word[0], other), prompt, flags=re.IGNORECASE))


def denied(name: str) -> str | None:
    """Return "no ..." for a prompt that names a class only; None for one that denies already, or is empty."""
    if not name.strip() or re.match(r"(?:no|not|without)\b", name.strip(), re.IGNORECASE):
        return None
    first = name[0].lower() if name[1:2].islower() else name[0]
    return f"{'No' if name[0].isupper() else 'no'} {first}{name[1:]}"


def _changed(prompt: str, other: str) -> str | None:
    return other if other.strip(" .") and other != prompt else None


def _like(word: str, others: dict[str, str]) -> str:
    """Return what stands for a word, with a capital if the word has one."""
    other = others[word.lower()]
    return other.capitalize() if word[0].isupper() else other


def _tidy(text: str, like: str) -> str:
    """Mend what a word left behind: spaces, commas, an "and", and the capital at the beginning."""
    text = re.sub(r"(?: and)?\s*(?=[,.]|$)", "", re.sub(r"\s{2,}", " ", text)).strip(" ,")
    return text[:1].upper() + text[1:] if like[:1].isupper() else text
