"""Coded names of what segments show: SNOMED CT where a name has a sure code, else the label in a scheme of our own."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import NamedTuple

PRIVATE_SCHEME = "99MONAI_VLSM"
"""Designator of the scheme of labels; those that begin with 99 are private in DICOM."""
_LONGEST_VALUE, _LONGEST_TEXT = 16, 64


class Code(NamedTuple):
    """A coded concept of DICOM."""

    value: str
    scheme: str
    meaning: str


_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")
_ANATOMY = Code("91723000", "SCT", "Anatomical Structure")
_OBJECT = Code("260787004", "SCT", "Physical object")
_PROMPTED = Code("PROMPTED", PRIVATE_SCHEME, "Named by a prompt")

_SNOMED: dict[Code, dict[tuple[str, str], tuple[str, ...]]] = {
    _ABNORMAL: {
        ("41329004", "Polyp"): ("polyp", "polyps"),
        ("108369006", "Neoplasm"): (
            *("tumor", "tumors", "neoplasm", "neoplasms"),
            *(f"{organ} {name}" for organ in ("brain", "breast", "pancreatic") for name in ("tumor", "tumors")),
        ),
        ("4147007", "Mass"): ("mass", "masses"),
        ("52988006", "Lesion"): ("lesion", "lesions", "skin lesion", "skin lesions"),
        ("367643001", "Cyst"): ("cyst", "cysts"),
        ("27925004", "Nodule"): ("nodule", "nodules", "thyroid nodule", "thyroid nodules"),
        ("56208002", "Ulcer"): ("ulcer", "ulcers", "foot ulcer", "foot ulcers"),
        ("79654002", "Edema"): ("edema",),
    },
    _ANATOMY: {
        ("82471001", "Left atrium"): ("left atrium",),
        ("87878005", "Left ventricle"): ("left ventricle",),
        ("73829009", "Right atrium"): ("right atrium",),
        ("53085002", "Right ventricle"): ("right ventricle",),
        ("80891009", "Heart"): ("heart",),
        ("39607008", "Lung"): ("lung", "lungs"),
        ("10200004", "Liver"): ("liver",),
        ("64033007", "Kidney"): ("kidney", "kidneys"),
        ("78961009", "Spleen"): ("spleen",),
        ("15776009", "Pancreas"): ("pancreas",),
        ("41216001", "Prostate"): ("prostate",),
        ("12738006", "Brain"): ("brain",),
        ("5366008", "Hippocampus"): ("hippocampus",),
        ("76752008", "Breast"): ("breast",),
    },
    _OBJECT: {("57134006", "Instrument"): ("instrument", "instruments", "surgical instrument", "surgical instruments")},
}
_CODES = {
    name: (category, Code(value, "SCT", meaning))
    for category, concepts in _SNOMED.items()
    for (value, meaning), names in concepts.items()
    for name in names
}


def codes_of(label: str) -> tuple[Code, Code]:
    """Return category and type of what a label names.

    Only whole labels are looked up: "area around the tumor" is none. A label that is not known is its own code in the
    private scheme: in capitals if it is of at most 16 plain characters, else 16 hexadecimal digits of its SHA-256.
    """
    name = " ".join(label.lower().split()).replace("tumour", "tumor")
    if name in _CODES:
        return _CODES[name]
    meaning = plain_text(label)
    value = re.sub(r"[^A-Z0-9]+", "_", meaning.upper()).strip("_")
    if not label.isascii() or not 0 < len(value) <= _LONGEST_VALUE:
        value = hashlib.sha256(label.encode()).hexdigest()[:_LONGEST_VALUE].upper()
    return _PROMPTED, Code(value, PRIVATE_SCHEME, meaning)


def plain_text(label: str) -> str:
    """Return a label in letters that every character set of DICOM has, at most 64 of them."""
    ascii_only = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    printable = re.sub(r"[\\\s\x00-\x1f\x7f]+", " ", ascii_only).strip()
    return printable[:_LONGEST_TEXT].strip() or "segment"
