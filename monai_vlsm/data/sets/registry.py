"""Every data set the project knows: the single source for preparing, bundles and tables."""

from __future__ import annotations

from pathlib import Path

from monai_vlsm.data.sets import brain, breast, cells, chest, heart, instruments, pancreas, polyps, skin, thyroid
from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.medclipseg import read_medclipseg
from monai_vlsm.data.sets.raw import RawCase, RawFiles
from monai_vlsm.errors import DataError

_PHANTOM = DatasetFacts(
    name="phantom",
    title="Drawn ultrasound phantom",
    modality="ultrasound (drawn)",
    target="lesion",
    prompt="cyst",
    source="python -m monai_vlsm prepare phantom --out data/phantom",
    license="Drawn by this project's own code, under its Apache-2.0 license.",
    citation="none",
    prompt_source="The prompts are made from the masks that were drawn.",
    size="480 drawn images",
    raw="none, it is drawn",
    backbone="tiny",
    learning_rate=2e-3,
    batch_size=16,
    max_epochs=16,
    lr_patience=1,
)

_ROOMS = (polyps, skin, heart, breast, chest, brain, pancreas, instruments, thyroid, cells)
DATASETS: dict[str, DatasetFacts] = {
    facts.name: facts for facts in (_PHANTOM, *(facts for room in _ROOMS for facts in room.SETS))
}
BUNDLES: dict[str, DatasetFacts] = {name: facts for name, facts in DATASETS.items() if not facts.evaluate_with}


def find_cases(facts: DatasetFacts, files: RawFiles) -> list[RawCase]:
    """Return the cases of a data set in its raw files; none if they have neither the form of MedCLIPSeg nor its own.

    Raises:
        DataError: if two files have one name, so that it is not clear which mask belongs to which image.
    """
    cases = facts.finish(read_medclipseg(facts, files) or facts.read(files), files)
    _require_distinct(cases)
    return cases


def _require_distinct(cases: list[RawCase]) -> None:
    """Refuse two masks, or two images, of one name: one would end up with the other's."""
    keys: dict[str, RawCase] = {}
    images: dict[str, object] = {}
    for case in cases:
        source = case.image_source if isinstance(case.image_source, Path) else case.image
        if keys.setdefault(case.key, case) is not case or images.setdefault(case.image, source) != source:
            raise DataError(
                f"two different files of the source would become {case.image!r}, as {str(source)!r} does: give the "
                "folders with one copy of the data set."
            )
