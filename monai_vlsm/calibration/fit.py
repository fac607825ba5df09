"""All that a calibration says, from the cases of a split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_vlsm.calibration.calibrated import IDENTITY
from monai_vlsm.calibration.histograms import Counts
from monai_vlsm.calibration.presence import FEWEST, fit_presence
from monai_vlsm.calibration.resampling import RESAMPLES
from monai_vlsm.calibration.temperature import fit_temperature
from monai_vlsm.calibration.thresholds import fit_thresholds
from monai_vlsm.errors import DataError


@dataclass(frozen=True)
class Case:
    """An image and a prompt, with what the network made of them.

    Args:
        image: path of the image.
        label: path of the mask; empty for a prompt whose target is absent.
        prompt: the text.
        group: patient or sequence; None where the datalist names none.
        counts: see :func:`.count_logits`.
        score: see :func:`.presence_score`.
    """

    image: str
    label: str
    prompt: str
    group: str | None
    counts: Counts
    score: float

    @property
    def present(self) -> bool:
        """Whether the mask shows the target."""
        return bool(self.counts[1].any())

    @property
    def unit(self) -> str:
        """What is drawn as a whole for intervals: the patient, else the image."""
        return self.image if self.group is None else self.group


def require_enough(cases: Sequence[Case]) -> None:
    """Raise a DataError if there are too few cases for any number, or patients are named for some of them only."""
    shown = sum(case.present for case in cases)
    if shown < FEWEST:
        raise DataError(
            f"a calibration takes {FEWEST} entries that show their target, the split has {shown}: choose another one "
            "with --split, or prepare the data set with a larger one. Nothing was written."
        )
    named = sum(case.group is not None for case in cases)
    if 0 < named < len(cases):
        raise DataError(
            f"{named} of {len(cases)} entries name a patient or sequence under 'group': name one in all entries of the "
            "datalist, or in none. Nothing was written."
        )


def fit_parts(
    cases: Sequence[Case], alpha: float, sensitivity: float, resamples: int = RESAMPLES
) -> dict[str, dict[str, Any]]:
    """Return temperature, presence, threshold and risk control of a calibration, without the errors of MONAI's metric.

    Temperature and thresholds are fitted on the cases that show their target; presence on all.

    Args:
        cases: of one split.
        alpha: share of the target's pixels that risk control may miss.
        sensitivity: share of the present cases that the cut of presence keeps.
        resamples: of the bootstrap.
    """
    shown = [case for case in cases if case.present]
    counts, units = np.stack([case.counts for case in shown]), [case.unit for case in shown]
    temperature = fit_temperature(counts, units, resamples)
    value = temperature.get("value", IDENTITY.temperature)
    scores, present = [case.score for case in cases], [case.present for case in cases]
    return {
        "temperature": temperature,
        "presence": fit_presence(scores, present, [case.unit for case in cases], sensitivity, resamples),
        **fit_thresholds(counts, units, value, alpha, resamples),
    }


def describe_data(cases: Sequence[Case], dataset_dir: str | Path, split: str, prompt_level: str) -> dict[str, Any]:
    """Return what a calibration says of its data; of names and prompts, no more than a checksum."""
    folder = Path(dataset_dir).absolute()
    named = sorted((_inside(case.image, folder), _inside(case.label, folder), case.prompt) for case in cases)
    groups = {case.group for case in cases}
    return {
        "dataset": folder.name,
        "split": split,
        "prompt_level": prompt_level,
        "entries": len(cases),
        "absent_entries": sum(not case.present for case in cases),
        "images": len({case.image for case in cases}),
        "groups": None if None in groups else len(groups),
        "sha256": hashlib.sha256(json.dumps(named).encode()).hexdigest(),
    }


def _inside(path: str, folder: Path) -> str:
    """Return a path from the data set's folder on, which says nothing of the machine."""
    return Path(path).relative_to(folder).as_posix() if path and Path(path).is_relative_to(folder) else path
