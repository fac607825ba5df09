"""The same prompt in other words: what it names, where and how many stays as it is; no torch in here."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monai_vlsm.errors import DataError

MOST_PARAPHRASES = 8
"""Wordings that every prompt of at most ``_LONGEST`` words has."""

_LONGEST = 40
"""Words of a prompt that are put into a frame: with more, the frame could push its end out of the 77 tokens."""
_SYNONYMS = {
    "tiny": "very small",
    "small": "little",
    "medium": "medium-sized",
    "large": "big",
    "round": "circular",
    "oval": "elliptical",
    "irregular": "irregularly shaped",
    "located in": "situated in",
    "at the": "on the",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
}
"""Words of the same meaning, of size, shape and number. None names a side, and none is a negation."""
NAMES = "bowel|intestine|cell|vessel|airway|ligament|window|fissure|foramen"
"""In front of these the words are part of a name: a small bowel is no little one."""
_WORD = re.compile(rf"(?<![\w-])({'|'.join(_SYNONYMS)})(?![\w-]| ({NAMES})\b)", re.IGNORECASE)
_SHAPED = re.compile(r"(?<![\w-])(round|oval|irregular)-shaped(?![\w-])", re.IGNORECASE)
_FRAMES = (
    "{}",
    "a picture of {}",
    "an image with {}",
    "a medical image of {}",
    "this shows {}",
    "{}, as seen here",
    "look for {}",
    "{}, in this case",
    "here we see {}",
)
"""What is put around a text. None names a side, and none is a negation."""
_EMPTY = ("object", "a finding", "something", "target", "a region", "what is to be seen here", "a structure", "an area")
"""Wordings of a prompt without text, which names nothing."""


def paraphrases(prompt: str, count: int) -> list[str]:
    """Say the same in ``count`` other wordings, always the same ones for a prompt.

    A wording is the prompt in a frame such as "a picture of ...", every other one with words of size, shape and number
    put by others of the same meaning. Class names, sides, and a negation stay as they are, and none is added.

    Args:
        prompt: any text; one longer than 40 words gets no frame, because its end would be cut off.
        count: 0 to ``MOST_PARAPHRASES``; a long prompt may have fewer, one at most.

    Raises:
        DataError: if the prompt is no text, or the count is not in this range.
    """
    if not isinstance(prompt, str):
        raise DataError(f"a prompt must be a string, not {prompt!r} of type {type(prompt).__name__}.")
    if not 0 <= count <= MOST_PARAPHRASES:
        raise DataError(f"expected 0 to {MOST_PARAPHRASES} paraphrases, got {count!r}.")
    core = " ".join(prompt.split()).rstrip(".")
    wordings = _wordings(core) if core else iter(_EMPTY)
    distinct = dict.fromkeys(text for text in wordings if text.lower() != core.lower())
    return list(distinct)[:count]


def _wordings(core: str) -> Iterator[str]:
    """Yield a wording for every frame: in turn with words put by others, and without."""
    core = _begun_small(core)
    other = _WORD.sub(lambda match: _SYNONYMS[match[0].lower()], _SHAPED.sub(r"\1", core))
    frames = _FRAMES if len(core.split()) <= _LONGEST else _FRAMES[:1]
    for index, frame in enumerate(frames):
        yield frame.format(core if index % 2 else other)


def _begun_small(text: str) -> str:
    """Take the capital of a sentence off; abbreviations such as "MRI" keep theirs."""
    return text[0].lower() + text[1:] if text[1:2].islower() else text
