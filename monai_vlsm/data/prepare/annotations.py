"""Published prompts: fetched at a pinned commit, checked, and brought into one form."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from monai_vlsm.data.datalist import PUBLISHED_FILES
from monai_vlsm.data.folder import cache_folder
from monai_vlsm.data.prepare.download import download
from monai_vlsm.data.prompts import MEDVLSM_COMMIT
from monai_vlsm.data.sets import DatasetFacts
from monai_vlsm.data.sets.sheets import read_sheet
from monai_vlsm.data.whole import file_sha256
from monai_vlsm.errors import DataError, MissingFileError

CHECKSUMS = Path(__file__).with_name("annotations.sha256")
"""Every published file, as ``sha256sum`` prints it: medvlsm/FOLDER/anns/*.json, medclipseg/FOLDER/Prompts_Folder/*."""

_ADDRESSES = {
    "medvlsm": f"https://raw.githubusercontent.com/naamiinepal/medvlsm/{MEDVLSM_COMMIT}/data",
    "medclipseg": "https://raw.githubusercontent.com/HealthX-Lab/MedCLIPSeg/59d3d89ca266064c8225f1e042dd93ed23fcfcd3/data",
}
_MEDCLIPSEG_FILES = {"training": "Train_text", "validation": "Val_text", "test": "Test_text_original"}
VARIANTS = {"p3": "underdescriptive", "p4": "missing_location", "p5": "overdescriptive", "p6": "contradictory"}
"""Prompts with which MedCLIPSeg tries how robust a network is; there are some for test images only."""
_FRACTIONS = (10, 25, 50)  # per cent


@dataclass(frozen=True)
class Annotation:
    """A published entry.

    Args:
        key: path of the mask without suffix, as in :attr:`monai_vlsm.data.sets.raw.RawCase.key`.
        split: where it was published.
        prompts: by level; without p0 and p1 in those of MedCLIPSeg, which have one sentence per image.
    """

    key: str
    split: str
    prompts: dict[str, list[str]]


class Annotations:
    """Where published files are: in a folder of the user's, or fetched into the cache.

    Args:
        folder: with ``medvlsm/`` and ``medclipseg/`` as in ``CHECKSUMS``; None fetches what is needed.
        progress: show progress bars.
    """

    def __init__(self, folder: Path | None = None, progress: bool = True) -> None:
        self.folder, self.progress = folder, progress

    def medvlsm(self, facts: DatasetFacts) -> list[Annotation]:
        """Return the entries of naamiinepal/medvlsm (MIT), in their published order."""
        entries = []
        for split, name in PUBLISHED_FILES.items():
            path = f"medvlsm/{facts.medvlsm}/anns/{name}"
            if path not in known_checksums():  # the training entries of CAMUS were not published
                continue
            # CAMUS numbers the patients of its test set anew.
            folder = ("test/" if split == "test" else "train/") if facts.name == "camus" else ""
            for entry in json.loads(self.path(path).read_text(encoding="utf-8")):
                prompts = {level: _texts(value) for level, value in entry["prompts"].items()}
                entries.append(Annotation(folder + os.path.splitext(entry["mask_name"])[0], split, prompts))
        return entries

    def medclipseg(self, facts: DatasetFacts) -> list[Annotation]:
        """Return the entries of HealthX-Lab/MedCLIPSeg (Apache-2.0): p2, and variants of it as p3 to p6."""
        variants = {level: dict(self._rows(facts, f"Test_text_{variant}")) for level, variant in VARIANTS.items()}
        return [
            Annotation(
                key,
                split,
                {
                    "p2": [text],
                    **{level: [rows[key]] for level, rows in variants.items() if split == "test" and key in rows},
                },
            )
            for split, name in _MEDCLIPSEG_FILES.items()
            for key, text in self._rows(facts, name)
        ]

    def subsets(self, facts: DatasetFacts) -> dict[str, list[str]]:
        """Return the published subsets of the training images: {"0.1": keys, "0.25": ..., "0.5": ...}."""
        rows = {f"{percent / 100:g}": self._rows(facts, f"Train_text_{percent}") for percent in _FRACTIONS}
        return {fraction: [key for key, _ in found] for fraction, found in rows.items() if found}

    def path(self, name: str) -> Path:
        """Return the file that ``CHECKSUMS`` calls ``name``.

        Raises:
            MissingFileError: if it is not in the user's folder, or cannot be fetched.
            DataError: if its content is not what was published.
        """
        checksum = known_checksums()[name]
        if self.folder is None:
            repository, _, rest = name.partition("/")
            try:
                return download(
                    f"{_ADDRESSES[repository]}/{rest}", cache_folder("annotations") / name, checksum, self.progress
                )
            except MissingFileError as error:
                raise MissingFileError(
                    f"{error} Without the published prompts: --annotations FOLDER names a folder that holds {name!r}, "
                    "--prompts generated makes prompts from the masks."
                ) from error
        path = self.folder / name
        if not path.is_file():
            raise MissingFileError(f"expected the published annotations in {str(path)!r}, which is missing.")
        if file_sha256(path) != checksum:
            raise DataError(f"{str(path)!r} is not the file that was published: its checksum differs. Fetch it again.")
        return path

    def _rows(self, facts: DatasetFacts, name: str) -> list[tuple[str, str]]:
        """Return (key, text) of a sheet; nothing if there is no such sheet or it is empty."""
        path = f"medclipseg/{facts.medclipseg}/Prompts_Folder/{name}.xlsx"
        return list(_read_sheet(self.path(path))) if path in known_checksums() else []


@lru_cache(maxsize=1)
def known_checksums() -> dict[str, str]:
    """Return sha256 by name of all published files."""
    lines = CHECKSUMS.read_text(encoding="utf-8").splitlines()
    return {name: checksum for checksum, name in (line.split("  ", 1) for line in lines)}


def _read_sheet(path: Path) -> Iterator[tuple[str, str]]:
    """Yield path of the mask without suffix, and description; columns go by their title."""
    for row in read_sheet(path, "Description"):
        if mask := row.get("Ground Truth") or row.get("Mask"):
            yield os.path.splitext(mask)[0], row["Description"]


def _texts(value: Any) -> list[str]:
    return [text.strip() for text in ([value] if isinstance(value, str) else value)]
