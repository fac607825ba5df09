"""What one run does with every image: plain values, which travel to other processes and machines."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from monai_vlsm.bundle import CALIBRATION, bundle_config, bundle_parser, parsed_content
from monai_vlsm.bundle.files import require_known_files
from monai_vlsm.bundle.values import RULES
from monai_vlsm.data.whole import file_sha256
from monai_vlsm.dicom.seg import require_highdicom
from monai_vlsm.errors import MissingFileError
from monai_vlsm.rules import require_value

_CHECKED = ("backbone", "device", "precision", "threshold", "min_presence", "batch_size", "paraphrases")
"""Fields that a command line sets, and that keys of bundles have rules for."""
_ANSWERING = (
    "backbone",
    "threshold",
    "min_presence",
    "precision",
    "paraphrases",
    "look_below",
    "priority",
    "with_patient",
)
"""Fields that change answers; what only adds files is looked for as files."""


@dataclass(frozen=True)
class Plan:
    """How images are segmented, and which files are written.

    Args:
        out: folder of all results.
        bundle: folder of the bundle.
        prompt: the bundle's own, for images that nothing else is asked of.
        backbone, device, precision, threshold, min_presence: in place of the bundle's; None leaves them.
        trust: run code of the bundle.
        batch_size: slices of a volume that are encoded together.
        paraphrases: other wordings of each prompt that it is compared with.
        look_below: mean probability below which somebody should look at a mask.
        label_map, probabilities, dicom_seg, thumbnails: kinds of files to write.
        with_patient: name the patient in tables, where DICOM files say who it is; a DICOM SEG always does.
        priority: labels that are painted over the others in label maps, in this order.
        overwrite: compute anew what is finished.
        checkpoint: checksum of the trained model.
        fingerprint: of all that answers depend on, model and calibration among them.
        owner: what tells this run from others that wrote into the folder, see :func:`.only_writer`; "" before it began.
    """

    out: str
    bundle: str
    prompt: str = ""
    backbone: str | None = None
    device: str | None = None
    precision: str | None = None
    threshold: float | str | None = None
    min_presence: float | None = None
    trust: bool = False
    batch_size: int = 8
    paraphrases: int = 0
    look_below: float = 0.0
    label_map: bool = False
    probabilities: bool = False
    dicom_seg: bool = False
    thumbnails: bool = False
    with_patient: bool = False
    priority: tuple[str, ...] = ()
    overwrite: bool = False
    checkpoint: str = ""
    fingerprint: str = ""
    owner: str = ""

    @property
    def folder(self) -> Path:
        """The folder of all results."""
        return Path(self.out).expanduser()


def make_plan(asked: Plan, paraphrases: int | None = None) -> Plan:
    """Return a plan with what its bundle says, and a fingerprint.

    Args:
        asked: what was asked for on a command line.
        paraphrases: in place of the bundle's.

    Raises:
        MissingFileError, DataError: if the bundle cannot be used, or a value.
    """
    for name in _CHECKED:
        value = paraphrases if name == "paraphrases" else getattr(asked, name)
        if value is not None:
            require_value(RULES[name], value, name)
    if asked.dicom_seg:
        require_highdicom()
    config = bundle_config(asked.bundle, "inference")
    if not asked.trust:
        require_known_files(asked.bundle)
    parser = bundle_parser(asked.bundle, asked.backbone, asked.trust)
    checkpoint = Path(parsed_content(parser, "checkpoint"))
    if not checkpoint.is_file():
        raise MissingFileError(f"there is no trained model {str(checkpoint.absolute())!r}: train the bundle first.")
    plan = replace(
        asked,
        prompt=parsed_content(parser, "prompt"),
        checkpoint=file_sha256(checkpoint),
        # A configuration of an older version, which is run as it is if it is trusted, has none of these.
        paraphrases=parsed_content(parser, "paraphrases", default=0) if paraphrases is None else paraphrases,
        look_below=parsed_content(parser, "look_below", default=0.0),
    )
    files = [config, checkpoint, checkpoint.with_name(CALIBRATION.name)]
    return replace(plan, fingerprint=_fingerprint(plan, [file for file in files if file.is_file()]))


def load_predictor(plan: Plan) -> Any:
    """Return the :class:`.Predictor` of a plan; every process of a run makes one of its own.

    Raises:
        MissingFileError, DataError: as :meth:`.Predictor.from_bundle`; or if the plan has a value that cannot be used.
    """
    from monai_vlsm.predictor import Predictor

    predictor = Predictor.from_bundle(plan.bundle, plan.backbone, plan.device, plan.trust, plan.precision)
    predictor.batch_size = plan.batch_size
    predictor.paraphrases = plan.paraphrases
    if plan.threshold is not None:
        predictor.threshold = plan.threshold
    if plan.min_presence is not None:
        predictor.min_presence = plan.min_presence
    # A word that the calibration has no number for is told before anything is written.
    predictor.calibration.probability(predictor.threshold)
    return predictor


def _fingerprint(plan: Plan, files: list[Path]) -> str:
    settings = {name: value for name, value in asdict(plan).items() if name in _ANSWERING}
    checksums = {file.name: file_sha256(file) for file in files}
    known = json.dumps([version("monai_vlsm"), settings, checksums], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()
