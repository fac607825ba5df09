"""What becomes of a document that two processes changed at the same time."""

from __future__ import annotations

from typing import Any

_GONE: Any = object()


def merge(base: Any, mine: Any, theirs: Any) -> Any:
    """Return what two writers made of ``base``: what one of them changed, added or removed; of both, what is mine.

    Args:
        base: the document that both began with, of JSON.
        mine: what one of them has.
        theirs: what the other has.
    """
    if not isinstance(mine, dict) or not isinstance(theirs, dict):
        return theirs if mine == base else mine
    known = base if isinstance(base, dict) else {}
    merged = {name: merge(*(one.get(name, _GONE) for one in (known, mine, theirs))) for name in {**theirs, **mine}}
    return {name: value for name, value in merged.items() if value is not _GONE}
