"""Prompts for each image, read from a table or a JSON list; what is odd is told with its line."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from monai_vlsm.bundle.files import without_repeats
from monai_vlsm.bundle.values import RULES, TEXT
from monai_vlsm.errors import DataError, MissingFileError, told_of
from monai_vlsm.predicting.jobs import Ask, Job
from monai_vlsm.predicting.sources import named_sources
from monai_vlsm.rules import MOST_LABELS, require_value, shortened

_COLUMNS = ("image", "prompt", "label", "value")
_DELIMITERS = ",;\t"
_LONGEST_LABEL = 200
"""Characters."""


@dataclass(frozen=True)
class _Entry:
    """A line that asks something; ``where`` says which one it is, the value of ``ask`` is 0 where none is given."""

    where: str
    image: Path
    ask: Ask


def read_jobs(file: str | Path, prompt: str, out: str | Path | None = None, shown: int = 0) -> list[Job]:
    """Read what is asked of which image.

    A table (CSV in UTF-8, with commas, semicolons or tabs) has a header, a JSON file is a list of objects; columns or
    keys are ``image`` (file, or folder of one DICOM series, absolute or relative to the table), ``prompt``, ``label``
    and ``value``. All but the first may be missing or empty. A label has one value in the whole file; labels without
    one get the smallest that are free. An image that is not there is no error here: its row in the results says so.

    Args:
        file: whose name ends in ``.json`` if it is JSON.
        prompt: the bundle's own, for lines without one.
        out: folder of the results; nothing in it is an image.
        shown: images, the first ones, that an overlay is drawn of.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if it cannot be used; the message has the line.
    """
    path = Path(file).expanduser()
    lines = _json_lines(path) if path.suffix.lower() == ".json" else _table_lines(path)
    entries = [_entry(line, where, path, prompt) for where, line in lines]
    if not entries:
        raise DataError(f"{str(path)!r} names no image: expected a line for each image and prompt.")
    _require_distinct(entries)
    values = _values_of(entries)
    asks: dict[Path, list[Ask]] = {}
    for entry in entries:
        asks.setdefault(entry.image, []).append(replace(entry.ask, value=values[entry.ask.name]))
    sources = named_sources(list(asks), Path(os.path.abspath(path.parent)), out)
    return [Job(source, tuple(asks[image]), at < shown) for at, (image, source) in enumerate(sources.items())]


def _content(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {str(path.absolute())!r}.") from None
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is not in UTF-8 ({error}): save it so, as 'CSV UTF-8'.") from error


def _json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        lines = json.loads(_content(path), object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} is no JSON: {error}") from error
    if not isinstance(lines, list):
        raise DataError(f"expected a list of objects in {str(path)!r}, got {shortened(lines)}.")
    for number, line in enumerate(lines, 1):
        where = f"{str(path)!r}, entry {number}"
        if not isinstance(line, dict):
            raise DataError(f"{where}: expected an object with {', '.join(_COLUMNS)}, got {shortened(line)}.")
        _require_columns(list(line), where)
        yield where, line


def _table_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    text = _content(path)
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            where = f"{str(path)!r}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [cell.strip().lower() for cell in cells]
                _require_columns(header, where)
            elif len(cells) != len(header):
                raise DataError(f"{where}: expected {len(header)} values ({', '.join(header)}), got {len(cells)}.")
            else:
                yield where, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DataError(f"{str(path)!r}, line {reader.line_num}: it is no table: {error}.") from error


def _require_columns(names: Sequence[str], where: str) -> None:
    wrong = [name for name, count in Counter(names).items() if name not in _COLUMNS or count > 1]
    if wrong or "image" not in names:
        what = f"{shortened(wrong[0])} is none of them, or there twice" if wrong else "'image' is missing"
        raise DataError(f"{where}: expected the columns {', '.join(_COLUMNS)}, all but the first optional, but {what}.")


def _entry(line: Mapping[str, Any], where: str, path: Path, prompt: str) -> _Entry:
    with told_of(where):
        texts = {name: _text(line, name) for name in ("image", "prompt", "label")}
        image = _image(texts["image"], path)
        return _Entry(where, image, Ask(texts["prompt"] or prompt, _label(texts["label"]), _value(line.get("value"))))


def _text(line: Mapping[str, Any], name: str) -> str:
    text = "" if line.get(name) is None else line[name]
    require_value(RULES.get(name, TEXT), text, name)
    return text.strip()


def _image(text: str, path: Path) -> Path:
    if not text:
        raise DataError("'image' is empty: name a file, or the folder of a DICOM series.")
    image = Path(os.path.abspath(path.parent / os.path.expanduser(text)))
    try:
        mode = image.stat().st_mode
    except OSError:
        return image
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{str(image)!r} is neither a file nor a folder.")
    return image


def _label(text: str) -> str:
    if len(text) > _LONGEST_LABEL or not all(map(str.isprintable, text)):
        raise DataError(
            f"'label' must be a name of at most {_LONGEST_LABEL} characters on one line, not {shortened(text)}."
        )
    return text


def _value(given: Any) -> int:
    """Return the value that is given, as a number or as a text; 0 where there is none."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return 0
    text = given.strip() if isinstance(given, str) else given
    value = int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,9}", text) else text
    if type(value) is not int or not 0 < value <= MOST_LABELS:
        raise DataError(f"'value' must be a whole number from 1 to {MOST_LABELS}, not {shortened(given)}.")
    return value


def _require_distinct(entries: Iterable[_Entry]) -> None:
    """Refuse to ask the same of an image twice, and one label for two prompts: neither would have a file of its own."""
    seen: dict[tuple[Path, str], _Entry] = {}
    for entry in entries:
        first = seen.setdefault((entry.image, entry.ask.name), entry)
        if first is not entry:
            what = (
                "repeats" if first.ask.prompt == entry.ask.prompt else f"has the label {shortened(entry.ask.name)} of"
            )
            raise DataError(f"{entry.where}: it {what} {first.where.rpartition(', ')[2]} for the same image.")


def _values_of(entries: Sequence[_Entry]) -> dict[str, int]:
    """Return the value of each label in the whole file."""
    values: dict[str, int] = {}
    names: dict[int, str] = {}
    for entry in (entry for entry in entries if entry.ask.value):
        name, value = entry.ask.name, entry.ask.value
        if values.setdefault(name, value) != value:
            told = f"the label {shortened(name)} has the value {values[name]} further above"
            raise DataError(f"{entry.where}: {told}, and {value} here.")
        if names.setdefault(value, name) != name:
            told = f"the value {value} belongs to {shortened(names[value])} further above"
            raise DataError(f"{entry.where}: {told}, and to {shortened(name)} here.")
    free = (value for value in range(1, len(entries) + len(names) + 1) if value not in names)
    for entry in entries:
        if entry.ask.name not in values:
            values[entry.ask.name] = next(free)
    return values
