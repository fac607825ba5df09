"""The prompts of a request, as they stand in its one field."""

from __future__ import annotations

import pytest

from monai_vlsm.monai_label.prompts import split_prompts


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("", []),
        (" ;\n; ", []),
        ("cyst", ["cyst"]),
        ("cyst;", ["cyst"]),
        ("cyst; tumor", ["cyst", "tumor"]),
        ("cyst\ntumor\r\n", ["cyst", "tumor"]),
        ("tumor\ncyst;tumor", ["tumor", "cyst"]),
        ("small, round: cyst", ["small, round: cyst"]),
    ],
    ids=repr,
)
def test_prompts_stand_in_lines_or_between_semicolons_each_once(text, prompts):
    assert split_prompts(text) == prompts
