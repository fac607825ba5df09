"""A page of results in one file, which opens anywhere: no scripts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from monai_vlsm.data.whole import replace_whole
from monai_vlsm.pages.cells import Interval, is_numeric, shown
from monai_vlsm.pages.markup import Markup, element, escaped, joined
from monai_vlsm.pages.pictures import Picture, PictureFile, picture_row

MOST_ROWS = 1000
"""Of a table; further ones are counted and left out."""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Browsers load nothing but the pictures inside, and run nothing, whatever should ever get in."""
_POLICY_WITH_FILES = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'"
"""The same, and pictures from where the page itself comes from."""


class Page:
    """A page that is filled from top to bottom, and written at the end.

    All texts may come from strangers: they are escaped, control characters replaced, and long ones cut. Values are
    numbers or texts as they are; the page formats them (``cells.shown``), and shows None and NaN
    as a dash::

        page = Page("Two runs compared", "busi, test split, p1")
        page.section("Result")
        page.text("The second run is better in 31 of 40 images.")
        page.table(["run", "Dice"], [["first", Interval(0.81, 0.79, 0.83)], ["second", Interval(0.84, 0.82, 0.86)]])
        page.plots(line_plot([Line("first", x, y)], "epoch", "Dice", alt="Dice rises until epoch 12."))
        page.pictures([Picture(overlay, alt="Overlay of image 12", caption="12.png: 0.31 and 0.77")])
        page.write("comparison.html")

    Args:
        title: what it is about.
        lead: a sentence below the title.
        with_files: whether it shows pictures of files beside it.
    """

    def __init__(self, title: str, lead: str = "", with_files: bool = False) -> None:
        self.title = title
        self.lead = lead
        self.with_files = with_files
        self._sections: list[tuple[str, list[Markup]]] = []

    def section(self, title: str) -> None:
        """Begin a section, which the list at the top of the page leads to."""
        self._sections.append((title, []))

    def subsection(self, title: str) -> None:
        """Put a heading inside a section."""
        self._add(element("h3", title))

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._add(element("p", text))

    def facts(self, facts: Mapping[str, object], short: bool = False) -> None:
        """Add names with a value each.

        Args:
            facts: values by name.
            short: whether all of them are so short that several have room beside each other.
        """
        pairs = (element("div", element("dt", name), element("dd", shown(value))) for name, value in facts.items())
        self._add(element("dl", *pairs, class_="short" if short else None))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
        """Add a table; columns of numbers stand to the right, the first cell names its row.

        Args:
            header: names of the columns.
            rows: their values; of more than ``MOST_ROWS`` rows the first ones are shown, and the rest counted.
            caption: what the table shows.
        """
        numeric = [bool(rows) and all(map(is_numeric, column)) for column in zip(*rows, strict=True)]
        classes = ["number" if is_right else None for is_right in numeric] or [None] * len(header)
        heads = (element("th", name, scope="col", class_=class_) for name, class_ in zip(header, classes, strict=True))
        body = (
            element("tr", element("th", _cell(row[0]), scope="row", class_=classes[0]), *_cells(row[1:], classes[1:]))
            for row in rows[:MOST_ROWS]
        )
        told = element("caption", caption) if caption else ""
        table = element("table", told, element("thead", element("tr", *heads)), element("tbody", *body))
        self._add(element("div", table, class_="scroll", tabindex=0, role="region", aria_label=caption or header[0]))
        if len(rows) > MOST_ROWS:
            self.text(f"{len(rows) - MOST_ROWS:,} more rows are not shown.")

    def quantities(self, quantities: Mapping[str, Interval], caption: str = "") -> None:
        """Add a table of numbers with their intervals, a row each."""
        rows = [[name, shown(quantity).replace(" ", "\N{NO-BREAK SPACE}")] for name, quantity in quantities.items()]
        self.table(["quantity", "value (95 % interval)"], rows, caption)

    def plots(self, *plots: Markup) -> None:
        """Add plots, several of them beside each other."""
        self._add(element("div", *plots, class_="beside") if len(plots) > 1 else joined(*plots))

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Put all that is added meanwhile beside each other, where the screen is wide enough."""
        parts = self._sections[-1][1]
        start = len(parts)
        yield
        parts[start:] = [element("div", *parts[start:], class_="beside")]

    def pictures(self, pictures: Sequence[Picture | PictureFile]) -> None:
        """Add pictures beside each other."""
        self._add(picture_row(pictures))

    def command(self, command: str) -> None:
        """Add a command as it is typed."""
        self._add(element("pre", element("code", command)))

    def missing(self, what: str, command: str = "") -> None:
        """Say that something is not there, and which command makes it."""
        way = element("pre", element("code", command)) if command else ""
        self._add(element("div", element("p", what), way, class_="missing", role="note"))

    def html(self) -> str:
        """Return the whole page."""
        places = [(f"section-{number}", title, parts) for number, (title, parts) in enumerate(self._sections, 1)]
        links = (element("li", element("a", title, href=f"#{place}")) for place, title, _ in places)
        contents = element("nav", element("ol", *links), aria_label="Contents") if len(places) > 1 else ""
        lead = element("p", self.lead, class_="lead") if self.lead else ""
        sections = (element("section", element("h2", title, id=place), *parts) for place, title, parts in places)
        body = element("body", element("header", element("h1", self.title), lead), contents, element("main", *sections))
        return f"<!DOCTYPE html>\n{element('html', _head(self.title, self.with_files), body, lang='en')}\n"

    def write(self, path: str | Path) -> None:
        """Write the page, whole or not at all.

        Raises:
            DataError: if it cannot be written.
        """
        content = self.html()
        with replace_whole(path) as part:
            part.write_text(content, encoding="utf-8", newline="\n")

    def _add(self, part: Markup) -> None:
        if not self._sections:
            raise ValueError("a page begins with a section: call section() first.")
        self._sections[-1][1].append(part)


def _cells(values: Sequence[object], classes: Sequence[str | None]) -> list[Markup]:
    return [element("td", _cell(value), class_=class_) for value, class_ in zip(values, classes, strict=True)]


def _cell(value: object) -> Markup:
    """Return a value as it stands in a table, an interval with its bounds below the number."""
    if not isinstance(value, Interval):
        return escaped(shown(value))
    middle, bounds = value.parts()
    return joined(middle, " ", element("small", bounds)) if bounds else escaped(middle)


def _head(title: str, with_files: bool) -> Markup:
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY_WITH_FILES if with_files else _POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", escaped(title, 200)),
        element("style", Markup(style)),
    )
