"""Options of ``new-bundle``, checked."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monai_vlsm.errors import DataError

# MONAI Label takes bundles with these words in their names for other kinds of models.
_TAKEN_WORDS = ("deepedit", "deepgrow", "detection", "classification")
# Windows keeps these names for devices, also with an extension.
_DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)
_LONGEST_NAME = 100


@dataclass
class CustomDataRequest:
    """Own images and masks, and how they become a data set and its bundle.

    Args:
        name: of the data set and its bundle.
        images: folder of images or volumes, made absolute; its sub-folders are searched, too.
        masks: folder of masks, made absolute; may be the same one, or lie inside.
        classes: name -> values in label maps; no values stand for a binary mask. Values of the name "" are left out.
        mask_pattern: its first group is what the names of an image and its mask share; see :func:`compile_pattern`.
        group_pattern: its first group is the patient in the name of an image.
        keep_empty_slices: fraction of the slices kept for a class that they do not show.
        fractions: of the entries for training, validation and test.
        seed: of split and choice of empty slices.

    Raises:
        DataError: if a field cannot be used.
    """

    name: str
    images: Path
    masks: Path
    classes: Mapping[str, tuple[int, ...]]
    mask_pattern: re.Pattern[str] | None = None
    group_pattern: re.Pattern[str] | None = None
    keep_empty_slices: float = 0.1
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = 0

    def __post_init__(self) -> None:
        self.images, self.masks = (Path(os.path.abspath(path.expanduser())) for path in (self.images, self.masks))
        _check_name(self.name)
        _check_classes(self.classes)
        if not 0 <= self.keep_empty_slices <= 1:
            raise DataError(f"expected a fraction from 0 to 1 of empty slices to keep, got {self.keep_empty_slices!r}.")

    @property
    def class_names(self) -> list[str]:
        """Names of the classes to segment."""
        return [name for name in self.classes if name]

    @property
    def is_binary(self) -> bool:
        """Whether masks hold one class, and not a label map."""
        return not any(self.classes.values())


def parse_classes(text: str) -> dict[str, tuple[int, ...]]:
    """Read ``1=lv,2=myocardium``: a name may have several values, and ``3=`` leaves the value 3 out.

    Raises:
        DataError: if the text is of another kind, or names a value twice.
    """
    classes: dict[str, tuple[int, ...]] = {}
    for item in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*=(.*)", item)
        if not match or int(match[1]) == 0:
            raise DataError(f"expected classes as in '1=lv,2=myocardium' (0 is background), got {item!r} in {text!r}.")
        value, name = int(match[1]), match[2].strip()
        if any(value in values for values in classes.values()):
            raise DataError(f"expected one class for each value, got the value {value} twice in {text!r}.")
        classes[name] = (*classes.get(name, ()), value)
    return classes


def file_name(text: str) -> str:
    """Return ``text`` as a file name that every system can store, without a suffix; empty if no letter is left.

    Only letters, digits, dots, dashes and underscores are kept; hidden files and the names of devices are avoided.
    """
    name = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("_.")
    return f"_{name}" if _DEVICE.match(name) else name


def compile_pattern(pattern: str | None, option: str) -> re.Pattern[str] | None:
    """Compile a regular expression that has a group; None stays None.

    Args:
        pattern: as the user wrote it.
        option: under which it was given, for the message.

    Raises:
        DataError: if it cannot be compiled, or has no group.
    """
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"expected a regular expression under {option}, got {pattern!r}: {error}.") from None
    if not compiled.groups:
        raise DataError(
            rf"expected a regular expression with a group in brackets under {option}, as in '(\d+)_', got {pattern!r}."
        )
    return compiled


def _check_name(name: str) -> None:
    if not re.fullmatch("[a-z0-9][a-z0-9_]*", name) or _DEVICE.match(name) or len(name) > _LONGEST_NAME:
        raise DataError(
            "expected a name of lower-case letters, digits and underscores, as in 'my_polyps', of at most "
            f"{_LONGEST_NAME} characters and not that of a device such as 'con' or 'aux', got {name!r}."
        )
    taken = [word for word in _TAKEN_WORDS if word in name]
    if taken:
        raise DataError(
            f"expected a name without {taken[0]!r}, by which MONAI Label knows another kind of model, got {name!r}."
        )


def _check_classes(classes: Mapping[str, tuple[int, ...]]) -> None:
    names = [name for name in classes if name]
    if not names:
        raise DataError(f"expected the name of at least one class, got {dict(classes)!r}.")
    for name in names:
        check_words(name, "a class name", "polyp")
    written = [file_name(name).lower() for name in names]
    if len(set(written)) < len(written):
        raise DataError(f"expected class names that differ as file names, too, got {', '.join(map(repr, names))}.")


def check_words(text: str, what: str, example: str) -> None:
    """Refuse a text that would be more than words in a bundle: code in its JSON, or in the commands of its README.

    Args:
        text: to write into the bundle.
        what: it is, for the message, with its article.
        example: of a good one.

    Raises:
        DataError: if it does not begin with a letter or digit, or holds a character that has a meaning there.
    """
    if not re.fullmatch(r"[^\W_][^@$%`\"\\]*", text) or not text.isprintable():
        raise DataError(
            f'expected {what} that begins with a letter or digit, on one line and without @ $ % ` " \\, as in '
            f"{example!r}, got {text!r}."
        )
