"""What there is to do: which networks are trained on what, and on what they are tested."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_vlsm.data import SPLITS, load_datalist, load_splits
from monai_vlsm.data.datalist import DATALIST_NAME, read_description
from monai_vlsm.data.sets import BUNDLES, DATASETS
from monai_vlsm.errors import DataError

RANDOM = "random"
PUBLISHED = json.loads((Path(__file__).parent / "medclipseg_results.json").read_text(encoding="utf-8"))
TARGETS = {
    "busi": ("busbra", "busuc", "buid", "udiat"),
    "kvasir_seg": ("colondb", "clinicdb"),
    "btmri": ("brisc",),
    "isic16": ("uwaterloo_skin",),
}
"""What MedCLIPSeg's networks are tested on besides the set that they were trained on."""


@dataclass(frozen=True)
class Cell:
    """A network to train.

    Args:
        dataset: name of its bundle.
        method: what is trained.
        seed: of the training.
        fraction: of the training images.
    """

    dataset: str
    method: str
    seed: int
    fraction: float = 1.0

    @property
    def name(self) -> str:
        """Return its folder below that of the results."""
        part = "" if self.fraction == 1 else f"_{self.fraction:g}"
        return f"{self.dataset}/{self.method}/seed{self.seed}{part}"


@dataclass(frozen=True)
class Protocol:
    """How networks are trained and tested.

    Args:
        name: as on the command line.
        datasets: that have published numbers.
        values: of the configuration, in training and testing.
        fractions: of the training images.
        targets: data sets that the networks of one are tested on, too.
    """

    name: str
    datasets: Sequence[str]
    values: Mapping[str, Any] = field(default_factory=dict)
    fractions: Sequence[float] = (1.0,)
    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def levels(self, folder: Path) -> dict[str, str]:
        """Return the prompt level that a data set is tested at, by the name of its column."""
        if self.name == "medclipseg":
            return {"p2": "p2"}
        return {"p1": "p1", "richest": richest_level(folder), RANDOM: RANDOM}


PROTOCOLS = {
    "paper": Protocol("paper", ("kvasir_seg", "bkai", "clinicdb", "isic16", "dfu", "camus", "busi", "chexlocalize")),
    "medclipseg": Protocol(
        "medclipseg",
        ("busi", "btmri", "isic16", "kvasir_seg", "qata_cov19", "eus"),
        {"prompt_level": "p2", "image_size": 224},
        (0.1, 0.25, 0.5, 1.0),
        TARGETS,
    ),
}


def chosen_folders(protocol: Protocol, data: Path, chosen: Sequence[str] | None) -> dict[str, Path]:
    """Return the folder of each data set that is trained on or tested on.

    Args:
        protocol: its data sets are taken where none are chosen, those that are there.
        data: folder of the prepared data sets.
        chosen: names of data sets, or NAME=FOLDER where one lies elsewhere.

    Raises:
        DataError: if a name is unknown or none is prepared.
    """
    named = dict(_split_name(item, data) for item in chosen or ())
    wrong = sorted(named.keys() - DATASETS.keys())
    if wrong:
        raise DataError(f"there is no data set {wrong[0]!r}; known are {', '.join(DATASETS)}.")
    targets = [target for targets in protocol.targets.values() for target in targets]
    candidates = named or {name: data / name for name in (*protocol.datasets, *targets)}
    found = {name: folder for name, folder in candidates.items() if chosen or _is_data_set(folder)}
    if not found.keys() & BUNDLES.keys():
        raise DataError(
            f"expected prepared data sets below {str(data.absolute())!r}, such as {protocol.datasets[0]!r}, found "
            f"none. Make one with: python -m monai_vlsm prepare {protocol.datasets[0]} --source DOWNLOAD, or name it "
            "as NAME=FOLDER."
        )
    for folder in found.values():
        _require_prompts(protocol, folder)
    return found


def cells(
    protocol: Protocol, folders: Mapping[str, Path], methods: Sequence[str], seeds: Sequence[int]
) -> Iterator[Cell]:
    """Yield the networks to train, data set by data set."""
    targets = {target for targets in protocol.targets.values() for target in targets}
    for dataset in (name for name in folders if name in BUNDLES and name not in targets):
        for method in methods:
            for seed in seeds:
                yield from (Cell(dataset, method, seed, fraction) for fraction in protocol.fractions)


def tests(protocol: Protocol, folders: Mapping[str, Path], cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield the data set and prompt level of each test of a network."""
    targets = protocol.targets.get(cell.dataset, ()) if cell.fraction == 1 else ()
    for dataset in (cell.dataset, *(target for target in targets if target in folders)):
        yield from ((dataset, level) for level in dict.fromkeys(protocol.levels(folders[dataset]).values()))


def richest_level(folder: Path) -> str:
    """Return the highest prompt level that all test entries have."""
    common = set.intersection(*(set(entry["prompts"]) for entry in load_datalist(folder, "test")))
    return max(common, key=lambda level: int(level[1:]))


def description(folder: Path) -> str:
    """Return what ``prepare`` wrote about a data set; empty for the published layout."""
    return read_description(folder) if (folder / DATALIST_NAME).is_file() else ""


def fingerprint(folder: Path) -> str:
    """Return a checksum of the names and prompts in a data set, wherever it lies; of no pixels."""
    entries = load_splits(folder)
    below = os.path.abspath(folder)
    named = {
        split: [{**e, **{key: os.path.relpath(e[key], below) for key in ("image", "label")}} for e in entries[split]]
        for split in SPLITS
    }
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def _split_name(item: str, data: Path) -> tuple[str, Path]:
    name, _, folder = item.partition("=")
    return name, Path(folder).expanduser() if folder else data / name


def _is_data_set(folder: Path) -> bool:
    return (folder / DATALIST_NAME).is_file() or (folder / "anns").is_dir()


def _require_prompts(protocol: Protocol, folder: Path) -> None:
    """MedCLIPSeg's levels from p3 on are tests that mislead on purpose: no richest level, and none to draw."""
    if protocol.name == "paper" and "prompts medclipseg" in description(folder):
        raise DataError(
            f"expected the prompts of the paper in {str(folder)!r}, got those of MedCLIPSeg: prepare it with --prompts "
            "medvlsm, or generated, into another folder, or choose --protocol medclipseg."
        )
    for entry in load_datalist(folder, "test"):
        missing = {"p1", "p2"} - set(entry["prompts"])
        if missing:
            raise DataError(
                f"expected the prompt level {min(missing)} in {str(folder)!r}, {entry['image']!r} has none."
            )
