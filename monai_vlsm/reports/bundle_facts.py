"""What the files of a bundle say of it, read without trust in who wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_vlsm.bundle import MODEL, bundle_config
from monai_vlsm.bundle.files import parse_json, read_file
from monai_vlsm.bundle.released import is_plain
from monai_vlsm.calibration import read_document
from monai_vlsm.data.whole import file_sha256
from monai_vlsm.errors import DataError, MissingFileError


@dataclass(frozen=True)
class ModelFacts:
    """What ``models/model.pt`` is.

    Args:
        sha256: of the file.
        size: of the file, in bytes.
        method: what was trained, such as ``dense``.
        settings: of the method that were not left to the backbone.
        backbone: the frozen network under it.
        fingerprint: of the backbone.
        parameters: numbers that were trained.
    """

    sha256: str
    size: int
    method: str
    settings: Mapping[str, Any]
    backbone: str
    fingerprint: str
    parameters: int


@dataclass(frozen=True)
class TrainingFacts:
    """How the last training in a bundle went.

    Args:
        epochs: that are done.
        best: highest validation Dice.
        best_epoch: when it was reached.
        settings: of the training, by name.
        made_with: as :func:`monai_vlsm.handlers.made_with` gives it; empty where it was not saved.
    """

    epochs: int
    best: float
    best_epoch: int
    settings: Mapping[str, Any]
    made_with: Mapping[str, Any]


@dataclass(frozen=True)
class BundleFacts:
    """A bundle as its files describe it.

    Args:
        folder: of the bundle.
        metadata: of ``configs/metadata.json``.
        values: top-level values of ``configs/train.json`` that are no expressions.
        terms: ``docs/data_license.txt``; empty where there is none.
        model: None where nothing was trained yet.
        training: None where its state is not there.
        calibration: ``models/calibration.json``; None where nothing was calibrated.
    """

    folder: Path
    metadata: Mapping[str, Any]
    values: Mapping[str, Any]
    terms: str
    model: ModelFacts | None
    training: TrainingFacts | None
    calibration: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """Name of the folder, as commands take it."""
        return self.folder.resolve().name

    def told(self, key: str) -> str:
        """Return a text of the metadata; empty where it has none."""
        value = self.metadata.get(key, "")
        return value if isinstance(value, str) else ""


def read_bundle(folder: Path) -> BundleFacts:
    """Read the facts of a bundle.

    Raises:
        MissingFileError: if the folder is no bundle.
        DataError: if one of its files is damaged, too large or a link.
    """
    metadata, train = (_read_json(bundle_config(folder, name)) for name in ("metadata", "train"))
    values = {key: value for key, value in train.items() if not isinstance(value, dict) and is_plain(value)}
    try:
        terms = read_file(folder / "docs" / "data_license.txt").decode("utf-8", errors="replace")
    except MissingFileError:
        terms = ""
    training = _read_training(folder / "eval" / "training_state.pt")
    calibration = folder / MODEL.with_name("calibration.json")
    document = read_document(calibration) if calibration.exists() else None
    return BundleFacts(folder, metadata, values, terms, _read_model(folder / MODEL), training, document)


def _read_json(path: Path) -> dict[str, Any]:
    return parse_json(read_file(path), path)


def _read_model(path: Path) -> ModelFacts | None:
    from monai_vlsm.networks.checkpoint import read_state, state_facts

    try:
        state = read_state(path)
    except MissingFileError:
        return None
    facts = state_facts(state)
    trained = sum(tensor.numel() for tensor in state.values() if tensor.is_floating_point())
    sha256, size = file_sha256(path), path.stat().st_size
    return ModelFacts(sha256, size, facts.method, facts.settings, facts.backbone, facts.fingerprint, trained)


def _read_training(path: Path) -> TrainingFacts | None:
    from monai_vlsm.networks.torch_file import read_torch_file

    if not path.is_file():
        return None
    state = read_torch_file(path)
    try:
        best, best_epoch = float(state["best_metric"]), int(state["best_metric_epoch"])
        settings, made_with = dict(state["settings"]), dict(state.get("made_with", {}))
        return TrainingFacts(int(state["epoch"]), best, best_epoch, settings, made_with)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{str(path)!r} is no training state of this version: move it away.") from error
