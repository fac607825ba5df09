"""What an image is asked to see how far a network follows its prompt, group by group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_vlsm.data.absent import AbsentPrompts, absent_wordings
from monai_vlsm.data.paraphrases import paraphrases
from monai_vlsm.data.prompt_changes import (
    ATTRIBUTES,
    denied,
    with_opposite_side,
    with_other_number,
    with_other_size,
    without,
)
from monai_vlsm.errors import DataError

Entry = Mapping[str, Any]

MEASURES = ("dice", "same", "presence", "area")
"""What is told of each group, as means."""
HEADER = ("group", "cases", "Dice", "same as full", "presence", "share of the image", "empty masks")
TITLES = {True: "What is there", False: "What is not there: an empty mask is right"}
"""Of the tables on a page: columns, and by whether the groups ask for what is there."""
FULL = "full"
"""Group of the prompt that all others of a case are compared with."""
_WORDINGS = 3

ABOUT = {
    FULL: "the richest prompt of the data set, or that of --prompt-level",
    "paraphrase": f"the full prompt in other words, {_WORDINGS} of them",
    **{f"without {attribute}": f"the full prompt less the {attribute}" for attribute in ATTRIBUTES},
    "opposite side": "the full prompt with left for right and top for bottom",
    "other size": "the full prompt with large for small",
    "other number": "the full prompt with two more than there are",
    "other case": "the full prompt of another image",
    "denied": "'no' before the class",
    "empty": "no text",
    "other class": "a class of the data set that the image does not show",
    "not there": "something that no image of the kind shows",
}
"""The groups besides the levels of the data set and the files that are given, in order."""
NOTHING = frozenset({"denied", "other class", "not there"})
"""Groups whose right answer is an empty mask."""


@dataclass(frozen=True)
class Question:
    """What an image is asked.

    Args:
        group: key of ``ABOUT``, a level such as ``p1``, or the name of a file with prompts.
        prompt: the text.
        is_there: whether the mask of the case is the right answer; otherwise it is an empty one.
    """

    group: str
    prompt: str
    is_there: bool = True


def richest_level(entries: Sequence[Entry]) -> str:
    """Return the highest level that all entries have, of those with the prompts of the published attributes (to p6)."""
    common = set.intersection(*(set(entry.get("prompts") or {}) for entry in entries))
    levels = [level for level in (f"p{number}" for number in range(6, 0, -1)) if level in common]
    if not levels:
        raise DataError(
            "the entries of this split have no prompt level in common: write its datalist anew with "
            "'python -m monai_vlsm prepare', or 'new-bundle'."
        )
    return levels[0]


class Questions:
    """Ask each case of a split what :data:`ABOUT` says, and all levels of its own prompts.

    Args:
        entries: of :func:`monai_vlsm.data.load_datalist`.
        level: of the full prompt.
        variants: further prompts by name of their group, and in it by name of an image file.
        names: of groups, by level, in place of the level.

    Raises:
        DataError: if an entry lacks the level, or further prompts have the name of another group.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        level: str,
        variants: Mapping[str, Mapping[str, str]] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        for entry in entries:
            if not (entry.get("prompts") or {}).get(level):
                raise DataError(
                    f"prompt level {level!r} is not in the datalist entry of {entry['image']!r}, it has "
                    f"{sorted(entry.get('prompts') or {})}: choose one of these with --prompt-level."
                )
        self.entries = list(entries)
        self.level = level
        self.variants = dict(variants or {})
        self._names = dict(names or {})
        taken = sorted({*ABOUT, *(f"p{number}" for number in range(100))} & set(self.variants))
        if taken:
            raise DataError(f"{taken[0]!r} is the name of a group already: give these prompts another one.")
        self._absent = AbsentPrompts(entries)
        self._wordings = absent_wordings("", *{entry["prompts"].get("p1", [""])[0] for entry in entries})

    @property
    def groups(self) -> list[str]:
        """Return all groups in order, those that no case has included."""
        levels = sorted({level for entry in self.entries for level in entry["prompts"]} - {self.level, "p0"})
        named = [self._names.get(level, level) for level in levels]
        return [FULL, *named, *self.variants, *(group for group in ABOUT if group != FULL)]

    def of(self, number: int) -> list[Question]:
        """Return what the case of this number is asked, the full prompt first; what does not apply is left out."""
        entry = self.entries[number]
        prompts = {level: texts[0] for level, texts in entry["prompts"].items()}
        full, name = prompts[self.level], prompts.get("p1", prompts[self.level])
        asked = [Question(FULL, full)]
        levels = sorted(set(prompts) - {self.level, "p0"})
        asked += [Question(self._names.get(level, level), prompts[level]) for level in levels]
        asked += self._given(entry)
        asked += [Question("paraphrase", text) for text in paraphrases(full, _WORDINGS)]
        asked += [Question(group, text) for group, text in _changed(full) if text]
        asked += [Question("other case", text) for text in self._of_another(number, full)]
        asked += [Question("denied", text, False) for text in [denied(name)] if text]
        asked += [Question("empty", "")]
        return asked + list(self._not_shown(number))

    def _given(self, entry: Entry) -> Iterator[Question]:
        for group, texts in self.variants.items():
            text = texts.get(Path(entry["image"]).name) or texts.get(Path(entry["label"]).name)
            if text:
                yield Question(group, text)

    def _of_another(self, number: int, full: str) -> Iterator[str]:
        """Yield the full prompt of the next case of the same class that has another one."""
        name = self.entries[number]["prompts"].get("p1")
        for step in range(1, len(self.entries)):
            other = self.entries[(number + step) % len(self.entries)]
            text = other["prompts"][self.level][0]
            if other["image"] != self.entries[number]["image"] and other["prompts"].get("p1") == name and text != full:
                yield text
                return

    def _not_shown(self, number: int) -> Iterator[Question]:
        for name in self._absent.of(self.entries[number]["image"])[:1]:
            yield Question("other class", name, False)
        if self._wordings:
            yield Question("not there", self._wordings[number % len(self._wordings)], False)


def _changed(full: str) -> Iterator[tuple[str, str | None]]:
    for attribute in ATTRIBUTES:
        yield f"without {attribute}", without(full, attribute)
    yield "opposite side", with_opposite_side(full)
    yield "other size", with_other_size(full)
    yield "other number", with_other_number(full)
