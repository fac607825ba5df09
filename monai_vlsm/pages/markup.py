"""HTML that cannot be broken out of: whatever is not markup of this room is escaped where it is put in."""

from __future__ import annotations

import html
import re

LONGEST_TEXT = 2000
"""Characters of a text of others; what is longer is cut, and the page says so."""

_UNSHOWABLE = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters, halves of characters, and what turns the direction of the text that follows."""


class Markup(str):
    """HTML that ``element`` and ``escaped`` made; any other string is text, and gets escaped."""

    __slots__ = ()


def escaped(text: object, longest: int = LONGEST_TEXT) -> Markup:
    """Return a text as HTML that shows it; markup stays as it is.

    Args:
        text: anything; ``str`` makes it text.
        longest: characters that are shown.
    """
    if isinstance(text, Markup):
        return text
    shown = str(text)
    if len(shown) > longest:
        shown = f"{shown[:longest]}... ({len(shown):,} characters)"
    return Markup(html.escape(_UNSHOWABLE.sub("\ufffd", shown)))


def element(tag: str, *content: object, **attributes: object) -> Markup:
    """Return an element; content and attributes that are no markup are escaped.

    Args:
        tag: name of the element, never a text of others.
        content: what it holds, one after the other.
        attributes: ``class_`` is ``class``, other underscores are hyphens; None leaves an attribute out.
    """
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in ("meta", "img"):
        return Markup(f"<{tag}{named}>")
    return Markup(f"<{tag}{named}>{joined(*content)}</{tag}>")


def joined(*content: object) -> Markup:
    """Return parts one after the other; those that are no markup are escaped."""
    return Markup("".join(map(escaped, content)))
