"""Prompts from the geometry of a mask: how many objects it holds, how large they are, where they lie, their shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from monai_vlsm.data.masks import foreground
from monai_vlsm.errors import DataError

MAX_TOKENS = 77
"""Tokens of a prompt that CLIP reads, begin and end included."""
MEDVLSM_COMMIT = "80347bcd8ba270e3b111148b797976cecab24406"
"""Of naamiinepal/medvlsm, whose annotations and rules are followed."""

LocationRule = Literal["width", "medvlsm"]
Family = Literal["phrase", "sentence"]

# Published rule: a component's share of the image is below the limit of "tiny", or at most that of the others.
_TINY = 0.001
_SIZES = (("small", 0.08), ("medium", 0.30), ("large", 1.0))
_TINIEST = 0.0001  # published rule: the size of anything smaller is not told
_CELL_SHARE = 0.1  # published rule: a cell of the grid with less of the component does not count
_MAX_LOCATIONS = 3
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# Overlap (intersection over union) with the ellipse of the same moments below which an outline is no oval: of 85 BUSI
# tumors, 33 of 35 benign ones lie above and 42 of 50 malignant ones below. Above the ratio of axes an oval is round.
_OVAL_OVERLAP = 0.85
_ROUND_RATIO = 0.85


@dataclass(frozen=True)
class MaskDescription:
    """What the geometry of a mask tells.

    Args:
        count: number of objects (4-connected components).
        sizes: distinct ones of tiny, small, medium, large, in this order.
        locations: a word such as "top left" or "center" per object, in raster order.
        shape: round, oval or irregular, of the largest object; empty for an empty mask.
    """

    count: int
    sizes: tuple[str, ...]
    locations: tuple[str, ...]
    shape: str


def describe_mask(
    mask: NDArray[Any], location_rule: LocationRule = "width", min_area: float = _TINY
) -> MaskDescription:
    """Describe a mask in the words of the published prompts.

    Rule "medvlsm" gives number, sizes and locations exactly as published with naamiinepal/medvlsm (at
    ``MEDVLSM_COMMIT``). There the horizontal center is compared with thirds of the height, so that wide images lean to
    the right; every component counts and repeated locations are kept. Rule "width" compares it with thirds of the
    width, leaves out components under ``min_area`` (the largest stays), names a location once, and at most three.

    Args:
        mask: (H, W) bool, 0/1 or 0/255, upright.
        location_rule: "width", or "medvlsm" for prompts that are compared with or added to published ones.
        min_area: fraction of the image, for rule "width" only.

    Raises:
        DataError: if the mask is not of this kind, or the rule is unknown.
    """
    if location_rule not in get_args(LocationRule):
        raise DataError(f"expected a location rule out of {get_args(LocationRule)}, got {location_rule!r}.")
    labels, count = ndimage.label(_foreground(mask))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:] / labels.size
    if not count:
        return MaskDescription(0, (), (), "")
    published = location_rule == "medvlsm"
    kept = np.arange(count) if published else np.flatnonzero(areas >= min(min_area, areas.max()))
    boxes = ndimage.find_objects(labels)
    third = labels.shape[0] if published else labels.shape[1]
    locations = [_location(labels[boxes[i]] == i + 1, boxes[i], labels.shape, third) for i in kept]
    if not published:
        locations = list(dict.fromkeys(locations))[:_MAX_LOCATIONS]
    largest = int(areas.argmax())
    shape = _shape(labels[boxes[largest]] == largest + 1)
    return MaskDescription(len(kept), _sizes(areas[kept]), tuple(locations), shape)


def _foreground(mask: NDArray[Any]) -> NDArray[np.bool_]:
    mask = np.asarray(mask)
    if mask.ndim != 2 or not mask.size:
        raise DataError(f"expected a mask of shape (H, W), got {mask.shape}: choose one channel or slice.")
    return foreground(mask)


def _sizes(areas: NDArray[np.floating[Any]]) -> tuple[str, ...]:
    found = {_size(area) for area in areas.tolist() if area > _TINIEST}
    return tuple(size for size in ("tiny", *dict(_SIZES)) if size in found)


def _size(area: float) -> str:
    return "tiny" if area < _TINY else next(size for size, limit in _SIZES if area <= limit)


def _location(component: NDArray[np.bool_], box: tuple[slice, slice], shape: tuple[int, int], third: int) -> str:
    """Name the cell of a 3 x 3 grid; ``third``: the length whose thirds the horizontal center is compared with."""
    (height, width), (rows, columns) = shape, box
    row_of = np.searchsorted((int(height / 3), int(2 * height / 3)), np.arange(rows.start, rows.stop), side="right")
    column_of = np.searchsorted(
        (int(width / 3), int(2 * width / 3)), np.arange(columns.start, columns.stop), side="right"
    )
    cells = np.bincount((3 * row_of[:, None] + column_of)[component], minlength=9)
    for counted in (cells > 0, cells >= _CELL_SHARE * cells.sum()):
        if counted.sum() == 1:
            row, column = divmod(int(counted.argmax()), 3)
            return _cell_name(row, column)
    return _cell_name(
        _part((rows.start + rows.stop - 1) / 2, height), _part((columns.start + columns.stop - 1) / 2, third)
    )


def _part(center: float, length: int) -> int:
    return int(center >= length / 3) + int(center >= 2 * length / 3)


def _cell_name(row: int, column: int) -> str:
    words = (("top", "", "bottom")[row], ("left", "", "right")[column])
    return " ".join(word for word in words if word) or "center"


def _shape(component: NDArray[np.bool_]) -> str:
    """Compare a component with the ellipse of the same center and second moments."""
    points = np.argwhere(component).astype(np.float64)
    offsets = points - points.mean(0)
    # A pixel is a square of side 1, which adds 1/12 to the variance of its center.
    moments = offsets.T @ offsets / len(points) + np.eye(2) / 12
    short, long = np.sqrt(np.linalg.eigvalsh(moments))
    grid = np.moveaxis(np.indices(component.shape), 0, -1) - points.mean(0)
    # A full ellipse with half axes a, b has the variances a^2 / 4, b^2 / 4.
    ellipse = np.einsum("...i,ij,...j->...", grid, np.linalg.inv(moments), grid) <= 4
    inside = np.count_nonzero(ellipse & component)
    overlap = inside / (4 * np.pi * short * long + len(points) - inside)
    if overlap < _OVAL_OVERLAP:
        return "irregular"
    return "round" if short / long >= _ROUND_RATIO else "oval"


def prompts_from_mask(
    mask: NDArray[Any],
    class_name: str,
    *,
    family: Family = "phrase",
    where: str = "in the image",
    location_rule: LocationRule = "width",
    plural: str | None = None,
    kind: str = "",
    tell_empty: bool = True,
    scattered: bool = False,
) -> dict[str, list[str]]:
    """Write the prompts of one mask, with the levels of the published annotations as far as geometry gives them::

        | level | phrase (as for polyps) | sentence (as for breast ultrasound) |
        |---|---|---|
        | p0 | nothing | nothing |
        | p1 | polyp | Polyp in the image. |
        | p2 | round polyp | as p1 |
        | p3 | as p2 | One polyp in the image. |
        | p4 | small round polyp | One small polyp in the image. |
        | p5 | one small round polyp | One small polyp at the top left in the image. |
        | p6 | one small round polyp, located in top left of the image | One small round-shaped polyp at the ... |

    From p2 on (in sentences from p3 on) a prompt tells what was read off the mask. An empty mask gives "no polyp" or
    "No polyp in the image." at every level but p0.

    Args:
        mask: (H, W) bool, 0/1 or 0/255, upright.
        class_name: what the mask shows, in the singular.
        family: "phrase" or "sentence".
        where: end of a sentence, "in ..."; a phrase uses it after the location, as "of ...".
        location_rule: see ``describe_mask``; with "medvlsm" several words are joined by commas only, as published.
        plural: plural of ``class_name``, or of ``kind``, where the usual rules fail.
        kind: what the objects are more closely, such as "malignant tumor" of the class "tumor", told from p2 on.
        tell_empty: whether p1 says that a mask is empty, as published prompts do. Without, p1 is the class alone for
            every mask: whoever asks for "polyp" does not know whether there is one, and a network that saw empty
            masks with "no polyp" only looks better in an evaluation by p1 than it is.
        scattered: whether masks show small objects all over, such as nuclei: each is counted, no place is told, and
            ``class_name`` is in the plural.

    Raises:
        DataError: if the mask or an option cannot be used.
    """
    if family not in get_args(Family):
        raise DataError(f"expected a family of prompts out of {get_args(Family)}, got {family!r}.")
    found = describe_mask(mask, location_rule, 0.0 if scattered else _TINY)
    if scattered:
        found, plural = replace(found, locations=()), class_name
    write = _phrases if family == "phrase" else _sentences
    singular = kind or class_name
    name = singular if found.count <= 1 else plural or _pluralise(singular)
    texts = write(found, singular, name, where, location_rule)
    if found.count or not tell_empty:
        texts["p1"] = class_name if family == "phrase" else sentence(class_name, where)
    return {"p0": [""], **{level: [text] for level, text in texts.items()}}


def _phrases(found: MaskDescription, singular: str, name: str, where: str, rule: LocationRule) -> dict[str, str]:
    if not found.count:
        return {f"p{level}": f"no {singular}" for level in range(1, 7)}
    shaped = f"{found.shape} {name}"
    sized = " ".join(filter(None, (_join(found.sizes, rule), shaped)))
    counted = f"{number_in_words(found.count)} {sized}"
    place = f", located in {_join(found.locations, rule)} of {where.removeprefix('in ')}" if found.locations else ""
    return {"p1": singular, "p2": shaped, "p3": shaped, "p4": sized, "p5": counted, "p6": counted + place}


def _sentences(found: MaskDescription, singular: str, name: str, where: str, rule: LocationRule) -> dict[str, str]:
    plain = sentence(singular, where)
    if not found.count:
        return {f"p{level}": sentence("no", singular, where) for level in range(1, 7)}
    number, size = number_in_words(found.count), _join(found.sizes, rule)
    place = f"at the {_join(found.locations, rule)} {where}" if found.locations else where
    return {
        "p1": plain,
        "p2": plain,
        "p3": sentence(number, name, where),
        "p4": sentence(number, size, name, where),
        "p5": sentence(number, size, name, place),
        "p6": sentence(number, size, f"{found.shape}-shaped {name}", place),
    }


def sentence(*words: str) -> str:
    """Return a sentence of these words; empty ones are left out."""
    text = " ".join(filter(None, words))
    return f"{text[0].upper()}{text[1:]}."


def _join(words: Sequence[str], rule: LocationRule) -> str:
    return ", ".join(words) if rule == "medvlsm" else listed(words)


def listed(words: Sequence[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def number_in_words(count: int) -> str:
    """Return a whole number as in "twenty-one"; above 99 "many"."""
    if count < len(_ONES):
        return _ONES[count]
    if count > 99:
        return "many"
    tens, ones = divmod(count, 10)
    return _TENS[tens - 2] + (f"-{_ONES[ones]}" if ones else "")


def _pluralise(name: str) -> str:
    """Plural by the usual English rules: masses, bodies, cysts."""
    if name.endswith(("s", "x", "z", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"
