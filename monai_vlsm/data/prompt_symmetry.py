"""Prompts of pictures that were mirrored or turned: the words for places go along; no torch in here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_AROUND = ("top", "left", "bottom", "right")
"""The sides of a picture, each a quarter turn counterclockwise from the one before."""
_ALSO = {"upper": "top", "lower": "bottom"}
_MIDDLE = ("center", "central", "middle")
_WORD = rf"(?:{'|'.join((*_AROUND, *_ALSO, *_MIDDLE))})"
_PLACE = re.compile(rf"(?<![a-z])({_WORD}(?:[ -]+{_WORD})*)(?![a-z])", re.IGNORECASE)
_CHAMBER = "(?:ventric|atri)"
_NAME = re.compile(f" {_CHAMBER}", re.IGNORECASE)
"""Behind left and right: chambers of the heart, which are told by what they look like, in a mirror too."""
_AFTER_NAME = re.compile(rf"{_CHAMBER}[a-z]*[ ,(:-]*$", re.IGNORECASE)
"""Before left and right that may belong to such a name, as in "ventricle (left)"."""
_FAR = 30
"""Characters before a place that are looked at for that."""
_LUNG = re.compile(r" lungs?(?![a-z])", re.IGNORECASE)
"""The left and the right one are told by where they are; a lung on top of the other has no name."""
_IN_PICTURE = re.compile(
    rf"(?!,?(?: and| or)? (?:the )?(?:left|right) {_CHAMBER})"  # in "left and right atrium" it is part of a name
    r"(?:\s*(?:$|[.,;:)])| (?:of|in|on|and|or|but|with|to|is|region|area|side|part|portion|quadrant|corner|section|zone"
    r"|half|third|brain)s?(?![a-z]))",
    re.IGNORECASE,
)
"""Behind a word for a place in the picture. Anything else may be an organ of which there are two, or a name."""
_ELSEWHERE = re.compile(
    r"(?<![a-z])(?:above|below|beneath|under[a-z]*|highe(?:r|st)|lowest|(?:north|south|east|west)[a-z]*|cranial|caudal"
    r"|(?!anteroposterior|posteroanterior)(?:super|infer|anter|poster)(?:ior|o)[a-z]*|taller|wider|(?:left|right|top"
    r"|bottom|upper|lower)[a-z]+|o\W{0,2}clock|(?:counter|anti)?clockwise)(?![a-z])"
    r"|(?<![a-z-])(?:up|down)(?:wards?|side)?(?![a-z])"
    r"|(?<![a-z])(?:[lr](?:[uml][lqz]?)?|u[lr])(?![a-z0-9'])"  # L and R, and RML, LUQ, UR ...
    r"|(?<![a-z])(?:link(?:s|e[mnrs]?)|recht(?:s|e[mnrs]?)|oben|unten|(?:ob|unt)ere[mnrs]?|gauche|droite?|haut|bas|alto"
    r"|basso|(?:izquierd|derech|sinistr|destr|esquerd|direit)[ao]|arriba|abajo)(?![a-z])"
    r"|(?![a-z])[^\W\d_]",  # any letter that English does not have
    re.IGNORECASE,
)
"""Other words for places, and other languages, which are not rewritten."""
_COURSE = re.compile(r"(?<![a-z])(?:horizontal|vertical)", re.IGNORECASE)
_TURNED = {"horizontal": "vertical", "vertical": "horizontal"}


@dataclass(frozen=True)
class Symmetry:
    """One of the eight ways to lay a square picture on itself.

    Args:
        mirrored: whether left and right change places, which comes first.
        turns: quarter turns counterclockwise, 0 to 3.
    """

    mirrored: bool
    turns: int

    def moved(self, prompt: str) -> str | None:
        """Return the prompt of the picture that was moved, or None if it tells a place in words that may not go along.

        Left, right, top, bottom, upper, lower, center and middle are rewritten where they are places in the picture or
        tell a lung from the other, and stay in names of chambers of the heart.
        """
        if not self.mirrored and not self.turns:
            return prompt
        places = [place for place in _PLACE.finditer(prompt) if not self._stays(place, prompt)]
        if _tells_more(prompt) or not all(self._can_move(place, prompt) for place in places):
            return None
        for place in reversed(places):
            prompt = prompt[: place.start()] + self._moved_place(place[0]) + prompt[place.end() :]
        if self._lies:
            prompt = _COURSE.sub(lambda course: _like(_TURNED[course[0].lower()], course[0]), prompt)
        return prompt

    @property
    def _lies(self) -> bool:
        """Whether rows become columns."""
        return self.turns % 2 == 1

    def _stays(self, place: re.Match[str], prompt: str) -> bool:
        words = set(_words(place[0]))
        return words <= set(_MIDDLE) or (words <= {"left", "right"} and bool(_NAME.match(prompt, place.end())))

    def _can_move(self, place: re.Match[str], prompt: str) -> bool:
        if _AFTER_NAME.search(prompt, max(0, place.start() - _FAR), place.start()):
            return False
        if not self._lies:
            return bool(_IN_PICTURE.match(prompt, place.end()) or _LUNG.match(prompt, place.end()))
        return len(_words(place[0])) <= 2 and bool(_IN_PICTURE.match(prompt, place.end()))

    def _moved_place(self, place: str) -> str:
        """Return "top left" as "bottom left", "upper-left" as "lower-left", "left" as "bottom"."""
        words, between = _words(place), re.findall(r"[ -]+", place)
        moved = [self._moved_word(word) for word in words]
        if set(words) & set(_ALSO):
            moved = [next((also for also, word in _ALSO.items() if word == side), side) for side in moved]
        if self._lies:
            moved.reverse()
        return _like("".join(part for pair in zip(moved, [*between, ""], strict=True) for part in pair), place)

    def _moved_word(self, word: str) -> str:
        if word in _MIDDLE:
            return word
        number = _AROUND.index(_ALSO.get(word, word))
        return _AROUND[((-number if self.mirrored else number) + self.turns) % len(_AROUND)]


SYMMETRIES = tuple(Symmetry(mirrored, turns) for mirrored in (False, True) for turns in range(len(_AROUND)))
"""All of them."""


@lru_cache(maxsize=1)  # all symmetries are asked about one prompt
def _tells_more(prompt: str) -> bool:
    return _ELSEWHERE.search(prompt) is not None


def _words(place: str) -> list[str]:
    return re.split(r"[ -]+", place.lower())


def _like(words: str, other: str) -> str:
    """Return words with a capital if ``other`` begins with one."""
    return words[:1].upper() + words[1:] if other[:1].isupper() else words
