from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.pages import Interval, Line, Page, Picture, line_plot
from monai_vlsm.pages.page import MOST_ROWS

HOSTILE = "</title></style></script><script>alert('1')</script><img src=x onerror=\"alert(2)\">"


class Reader(HTMLParser):
    """Notes which elements are there, and whether each is closed where it belongs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def full_page(text: str) -> Page:
    page = Page(text, text)
    page.section(text)
    page.subsection(text)
    page.text(text)
    page.facts({text: text, "n": float("nan"), "i": Interval(1, 0, 2)})
    page.table([text, "b"], [[text, 1], ["c", None]], caption=text)
    with page.beside():
        page.quantities({text: Interval(1, 0, 2)}, text)
    page.plots(line_plot([Line(text, [0], [1])], text, text, alt=text, caption=text))
    page.pictures([Picture(np.zeros((2, 2), np.uint8), alt=text, caption=text)])
    page.command(text)
    page.missing(text, text)
    page.section("end")
    return page


@pytest.mark.parametrize("text", ["plain", HOSTILE, HOSTILE * 1000])
def test_texts_of_others_make_no_elements(text):
    reader, plain = Reader(full_page(text).html()), Reader(full_page("plain").html())
    assert not reader.open, "elements are left open"
    assert [tag for tag, _ in reader.seen] == [tag for tag, _ in plain.seen]
    assert [set(attributes) for _, attributes in reader.seen] == [set(attributes) for _, attributes in plain.seen]


def test_a_page_loads_nothing_and_runs_nothing():
    page = full_page("plain").html()
    reader = Reader(page)
    links = {attributes.get(name) for _, attributes in reader.seen for name in ("src", "href")} - {None}
    assert links
    assert all(link.startswith(("#section-", "data:image/jpeg;base64,")) for link in links)
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in reader.seen}
    assert not re.search(r"url\(|@import", page)
    assert "default-src &#x27;none&#x27;" in page


def test_a_page_can_be_read_without_eyes():
    seen = Reader(full_page("plain").html()).seen
    assert ("html", {"lang": "en"}) in seen
    assert all(attributes.get("alt") for tag, attributes in seen if tag == "img")
    assert {attributes["scope"] for tag, attributes in seen if tag == "th"} == {"col", "row"}
    assert all("aria-label" in attributes or "aria-hidden" in attributes for tag, attributes in seen if tag == "svg")


def test_columns_of_numbers_stand_to_the_right():
    page = full_page("plain").html()
    assert '<th scope="row">plain</th><td class="number">1</td>' in page
    assert '<th scope="col" class="number">b</th>' in page


def test_a_long_table_says_how_many_rows_it_left_out():
    page = Page("a")
    page.section("b")
    page.table(["c"], [[str(number)] for number in range(MOST_ROWS + 5)])
    assert page.html().count("<tr>") == MOST_ROWS + 1
    assert "5 more rows are not shown." in page.html()


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        full_page("plain").write(tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_half_of_a_character_can_be_written(tmp_path):
    full_page("a\ud800").write(tmp_path / "a.html")
    assert "a\ufffd" in (tmp_path / "a.html").read_text(encoding="utf-8")
