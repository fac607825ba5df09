"""Ultrasound of the heart: CAMUS, four frames of each patient, three structures in each."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.prompts import number_in_words
from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, optional_module
from monai_vlsm.errors import MissingFileError

STRUCTURES = {1: "Left ventricular cavity", 2: "Myocardium", 3: "Left atrium cavity"}
_VIEWS = {"2CH": "two-chamber", "4CH": "four-chamber"}
_CYCLES = {"ED": "diastole", "ES": "systole"}
_SEXES = {"F": "female", "M": "male"}
_GROUPS = {"training": "training", "validation": "validation", "testing": "test"}


def camus(files: RawFiles) -> list[RawCase]:
    """Read the first release (training/, testing/; .mhd) or the later one (database_nifti/).

    The same numbers stand for other patients in testing/ than in training/ of the first release, and perhaps in the
    later one: its cases have names of their own, which no published prompt is taken for.
    """
    pattern = r"(?P<patient>patient\d{4})/(?P=patient)_(?P<view>2CH|4CH)_(?P<cycle>ED|ES)\.(?:mhd|nii\.gz|nii)"
    official = _official_split(files)
    cases = []
    for path, found in files.matching(pattern):
        patient, view, cycle = found["patient"], found["view"].upper(), found["cycle"].upper()
        stem = f"{patient}_{view}_{cycle}"
        suffix = path.name[len(stem) :]
        part = "test" if path.parent.parent.name.lower() == "testing" else "train"
        part = part if suffix == ".mhd" else "nifti"
        label = path.with_name(f"{stem}_gt{suffix}")
        facts = _read_facts(path.with_name(f"Info_{view}.cfg"))
        cases += [
            RawCase(
                image=f"{part}/{stem}.png",
                label=f"{part}/mask_{value}/{stem}_gt.png",
                image_source=partial(_picture, path),
                read_mask=partial(_structure, label, value),
                class_name=structure,
                group=f"{part} {patient}",
                split=official.get(patient, "test" if part == "test" else ""),
                prompts=camus_prompts(structure, view, cycle, facts) if facts else None,
            )
            for value, structure in STRUCTURES.items()
        ]
    return cases


def camus_prompts(structure: str, view: str, cycle: str, facts: dict[str, str]) -> dict[str, list[str]]:
    """Write levels p0 to p6 as published; p7 adds a shape that somebody looked up, which no rule gives.

    Args:
        structure: one of ``STRUCTURES``.
        view: "2CH" or "4CH".
        cycle: "ED" or "ES".
        facts: Sex, Age and ImageQuality of the Info_*.cfg of the frame.
    """
    seen = f"in {_VIEWS[view]} view"
    at = f"at end of the {_CYCLES[cycle]} cycle"
    sex = _SEXES[facts["Sex"].upper()[:1]]
    old = f"of a {number_in_words(round(float(facts['Age'])))}-year-old {sex}"
    quality = f"with {facts['ImageQuality'].lower()} image quality"
    levels: dict[str, list[str]] = {"p0": [""]}
    for level, words in enumerate(
        (("{}",), (seen, "{}"), (seen, "{}", at), (seen, "{}", at, f"of a {sex}"), (seen, "{}", at, old)), start=1
    ):
        levels[f"p{level}"] = [
            " ".join((structure, *words)).format(place) + "." for place in ("of the heart", "in the cardiac ultrasound")
        ]
    levels["p6"] = [f"{text[:-1]} {quality}." for text in levels["p5"]]
    return levels


def _official_split(files: RawFiles) -> dict[str, str]:
    """Read the patients' splits of the later release, database_split/subgroup_*.txt."""
    return {
        patient: _GROUPS[found["name"].lower()]
        for path, found in files.matching(r"database_split/subgroup_(?P<name>training|validation|testing)\.txt")
        for patient in path.read_text(encoding="utf-8").split()
    }


def _read_facts(path: Path) -> dict[str, str]:
    """Read lines such as "Age: 56"; nothing if the file or one of the facts is not there."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    usable = facts.get("Sex", "").upper()[:1] in _SEXES and facts.get("Age", "").replace(".", "", 1).isdigit()
    return facts if usable and facts.get("ImageQuality") else {}


def _read(path: Path) -> NDArray[np.generic]:
    """Read a frame as (rows, columns): ITK's arrays have the axes (z, y, x)."""
    if not path.is_file():
        raise MissingFileError(f"its file {path.name!r} is missing")
    return np.squeeze(np.asarray(optional_module("itk").imread(str(path))))


def _picture(path: Path) -> NDArray[np.uint8]:
    return _read(path).astype(np.uint8)


def _structure(path: Path, value: int) -> Mask:
    return np.asarray(_read(path) == value)


SETS = (
    DatasetFacts(
        name="camus",
        title="CAMUS",
        modality="cardiac ultrasound",
        target="heart structure",
        prompt="Left ventricular cavity of the heart.",
        family="sentence",
        where="of the heart",
        source="https://humanheart-project.creatis.insa-lyon.fr/database/",
        licence="Registration; CC BY-NC-SA 4.0.",
        citation=(
            "S. Leclerc et al.: Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D "
            "Echocardiography. IEEE TMI 38 (2019)."
        ),
        size="500 patients, 2000 frames with 3 structures",
        raw="training.zip and testing.zip (.mhd), or CAMUS_public with database_nifti/ and --prompts generated",
        medvlsm="camus",
        read=camus,
    ),
)
