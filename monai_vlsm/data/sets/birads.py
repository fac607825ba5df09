"""BrEaST: breast ultrasound with the words of BI-RADS in which a radiologist described each tumor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from monai_vlsm.data.prompts import listed, sentence
from monai_vlsm.data.sets.raw import RawCase, RawFiles, empty_mask, one_per_name, prepared_name, read_named_mask
from monai_vlsm.data.sets.sheets import read_sheet
from monai_vlsm.errors import DataError

_COLUMNS = (
    *("Image_filename", "Classification", "Shape", "Echogenicity", "Margin", "Posterior_features", "Halo"),
    "Calcifications",
)
# What the sheet says of a tumor, and how a prompt says it. Whatever else a sheet holds is not told.
_SHAPES = {word: word for word in ("irregular", "oval", "round")}
_ECHOES = {word: word for word in ("anechoic", "heterogeneous", "hyperechoic", "hypoechoic", "isoechoic")} | {
    "complex cystic/solid": "complex cystic and solid"
}
_MARGINS = ("spiculated", "angular", "microlobulated", "indistinct")
_POSTERIOR = {
    "combined": "combined posterior features",
    "enhancement": "posterior enhancement",
    "shadowing": "posterior shadowing",
}
_HALO = {"yes": "a halo"}
_CALCIFICATIONS = {"in a mass": "calcifications", "intraductal": "intraductal calcifications"}
_KINDS = {word: word for word in ("benign", "malignant")}


def breast(files: RawFiles, where: str) -> list[RawCase]:
    """Read caseNNN.png and caseNNN_tumor.png, and the sheet, if it is there; a case is a patient.

    Further masks (caseNNN_other1.png) show other abnormal areas, and are not read. An image without a mask is normal
    if the sheet says so.
    """
    masks, described, cases = _by_case(files, "_tumor"), _described(files), []
    for case, path in _by_case(files, "").items():
        mask, row = masks.get(case), described.get(case, {})
        normal = mask is None and row.get("Classification", "").lower() == "normal"
        cases.append(
            RawCase(
                image=prepared_name(path),
                label=f"{case}.png",
                image_source=path,
                read_mask=partial(empty_mask, path) if normal else partial(read_named_mask, mask, f"{case}_tumor"),
                group=case,
                prompts=birads_prompts(row, where, normal) if described else None,
            )
        )
    return cases


def birads_prompts(row: Mapping[str, str], where: str, normal: bool = False) -> dict[str, list[str]]:
    """Write p1 the class, p2 the shape, p3 the echogenicity, p4 the margins, p5 what else is seen, p6 its kind, too.

    Of a normal image p1 is the class alone, as of all others, and the levels above say that there is none.

    Args:
        row: of the sheet; "irregular", "not circumscribed - spiculated&indistinct" and so on by column.
        where: end of the sentences, "in ...".
        normal: whether the image shows no tumor.
    """
    shape, echo = _word(row, "Shape", _SHAPES), _word(row, "Echogenicity", _ECHOES)
    margins = _margins(row.get("Margin", ""))
    tables = {"Posterior_features": _POSTERIOR, "Halo": _HALO, "Calcifications": _CALCIFICATIONS}
    seen = [text for text in (margins, *(_word(row, column, table) for column, table in tables.items())) if text]
    texts = {
        "p1": ("tumor",),
        "p2": (shape, "tumor"),
        "p3": (shape, echo, "tumor"),
        "p4": (shape, echo, "tumor", _with([margins] if margins else [])),
        "p5": (shape, echo, "tumor", _with(seen)),
        "p6": (shape, echo, _word(row, "Classification", _KINDS), "tumor", _with(seen)),
    }
    if normal:
        texts = {level: words if level == "p1" else ("no", "tumor") for level, words in texts.items()}
    return {"p0": [""], **{level: [sentence(*words, where)] for level, words in texts.items()}}


def _word(row: Mapping[str, str], column: str, words: Mapping[str, str]) -> str:
    return words.get(row.get(column, "").lower(), "")


def _margins(text: str) -> str:
    """Return "spiculated and indistinct margins" of "not circumscribed - spiculated&indistinct"."""
    kind, _, words = text.lower().partition(" - ")
    found = [word for word in _MARGINS if word in words.split("&")] if kind == "not circumscribed" else []
    found += ["circumscribed"] if kind == "circumscribed" else []
    return f"{listed(found)} margins" if found else ""


def _with(words: list[str]) -> str:
    return f"with {listed(words)}" if words else ""


def _by_case(files: RawFiles, ending: str) -> dict[str, Path]:
    return one_per_name(
        (found["case"].lower(), path) for path, found in files.matching(rf"(?P<case>case\d+){ending}\.png")
    )


def _described(files: RawFiles) -> dict[str, dict[str, str]]:
    """Return the rows of the sheet by case."""
    sheets = one_per_name(("sheet", path) for path, _ in files.matching(r"BrEaST[^/]*clinical[^/]*\.xlsx"))
    rows: dict[str, dict[str, str]] = {}
    for path in sheets.values():
        for row in read_sheet(path, *_COLUMNS):
            case = Path(row["Image_filename"]).stem.lower()
            if rows.setdefault(case, row) != row:
                raise DataError(f"{str(path)!r} describes {case!r} twice, and not alike: fetch it again.")
    return rows
