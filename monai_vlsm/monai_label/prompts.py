"""Several prompts in the one field that a request has for them."""

from __future__ import annotations

import re

ANY = "any"
"""Name of the model that hands each prompt to the bundle that it names."""
MOST_PROMPTS = 16
"""In one request."""
_SEPARATOR = re.compile(r"[;\n]")
"""Between prompts; the fields of 3D Slicer have one line."""


def split_prompts(text: str) -> list[str]:
    """Return the prompts of a request, which stand in lines or between semicolons; each of them once."""
    return list(dict.fromkeys(part.strip() for part in _SEPARATOR.split(text) if part.strip()))
