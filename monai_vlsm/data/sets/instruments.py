"""Gastrointestinal endoscopy: instruments."""

from __future__ import annotations

from pathlib import Path

from monai_vlsm.data.names import is_raster
from monai_vlsm.data.sets.facts import MASK_PROMPTS, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, one_per_name, pair
from monai_vlsm.data.sets.split_lists import follow_lists

_LISTS = {"train": "training", "test": "test"}


def kvasir_instrument(files: RawFiles) -> list[RawCase]:
    """Read images/ and masks/ beside train.txt and test.txt, without which they could be those of another data set."""
    lists = one_per_name((path.stem.lower(), path) for path, _ in files.matching(r"(?:train|test)\.txt"))
    if lists.keys() != _LISTS.keys():
        return []
    named = {split: _names(lists[part]) for part, split in _LISTS.items()}
    return follow_lists(pair(files, "images", "masks"), named, "train.txt and test.txt")


def _names(path: Path) -> list[str]:
    """Return a name per line, without folder and suffix."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    names = (Path(line.strip()) for line in lines if line.strip())
    return [name.stem if is_raster(name) else name.name for name in names]


SETS = (
    DatasetFacts(
        name="kvasir_instrument",
        title="Kvasir-Instrument",
        modality="gastrointestinal endoscopy",
        target="instrument",
        prompt="instrument",
        class_name="instrument",
        source="https://datasets.simula.no/kvasir-instrument/",
        license="Research and education only; commercial use needs the authors' written permission.",
        citation=(
            "D. Jha et al.: Kvasir-Instrument: Diagnostic and Therapeutic Tool Segmentation Dataset in "
            "Gastrointestinal Endoscopy. MMM 2021."
        ),
        prompt_source=MASK_PROMPTS,
        size="590 frames",
        raw="kvasir-instrument.zip, or the archive of its Kaggle copy (images/, masks/, train.txt, test.txt)",
        downloads={"https://datasets.simula.no/downloads/kvasir-instrument.zip": ""},
        checksums={"Kaggle's archive": "8e12d6c9e232e2f3db90f325ae6e5f81143b5704afcf94d94835c6aa3f1314e1"},
        leaks=(
            "patients and videos are not told, so frames of one are perhaps in two splits; whether frames are in "
            "kvasir_seg, too, nobody has compared"
        ),
        read=kvasir_instrument,
    ),
)
