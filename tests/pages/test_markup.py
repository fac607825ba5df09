from __future__ import annotations

import pytest

from monai_vlsm.pages.markup import LONGEST_TEXT, Markup, element, escaped, joined


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"'&", "&quot;&#x27;&amp;"),
        ("a\0b\x1bc", "a\ufffdb\ufffdc"),
        ("half \ud800", "half \ufffd"),
        ("turned \u202e", "turned \ufffd"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_a_text_is_shown_as_it_is_written(text, expected):
    assert escaped(text) == expected


def test_a_huge_text_is_cut_and_says_so():
    shown = escaped("x" * 10_000_000)
    assert len(shown) < LONGEST_TEXT + 50
    assert shown.endswith("... (10,000,000 characters)")


def test_markup_stays_as_it_is():
    assert element("p", element("b", "<")) == "<p><b>&lt;</b></p>"
    assert isinstance(joined("<", element("b")), Markup)


def test_adding_a_text_to_markup_gives_a_text_again():
    assert escaped(element("b", "x") + "<i>") == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"


def test_an_attribute_cannot_be_broken_out_of():
    assert element("img", alt='" onerror="alert(1)') == '<img alt="&quot; onerror=&quot;alert(1)">'


def test_attributes_are_named_as_in_html():
    assert element("p", class_="a", aria_label="b", id=None) == '<p class="a" aria-label="b"></p>'
