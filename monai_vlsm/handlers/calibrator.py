"""Calibrate a model on the images that an evaluator shows it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events

from monai_vlsm.bundle import CALIBRATION
from monai_vlsm.calibration.document import sha256_of, write_document
from monai_vlsm.calibration.fit import Case, describe_data, fit_parts, require_enough
from monai_vlsm.calibration.histograms import count_logits
from monai_vlsm.calibration.schema import FORMAT
from monai_vlsm.errors import DataError
from monai_vlsm.handlers.calibration_error import calibration_errors
from monai_vlsm.transforms.presence import presence_score

_logger = logging.getLogger("monai_vlsm")


class Calibrator:
    """Write ``calibration.json`` beside a model, whole or not at all, from the logits of a run: docs/calibration.md.

    Args:
        checkpoint: file of the model that runs, None for one without; a calibration beside it is replaced.
        image_size: at which it runs, in pixels.
        dataset_dir: folder of the data set.
        split: of the data set.
        prompt_level: of the prompts.
        alpha: share of the target's pixels that risk control may miss in the mean.
        sensitivity: share of the present targets that the cut of presence keeps.

    Raises:
        DataError: if there is no checkpoint, it is replaced meanwhile, or there are too few cases; nothing is written.
    """

    def __init__(
        self,
        checkpoint: str | Path | None,
        image_size: int,
        dataset_dir: str | Path,
        split: str,
        prompt_level: str,
        alpha: float = 0.1,
        sensitivity: float = 0.95,
    ) -> None:
        self.checkpoint = checkpoint
        self.image_size = image_size
        self.data: dict[str, Any] = {"dataset_dir": dataset_dir, "split": split, "prompt_level": prompt_level}
        self.alpha = alpha
        self.sensitivity = sensitivity
        self._sha256 = ""
        self._cases: list[Case] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator whose output has logits under ``pred``, and masks under ``label``."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _start(self, _: Engine) -> None:
        if self.checkpoint is None:
            raise DataError("a calibration belongs to a trained model, not to zero_shot: leave --zero_shot out.")
        self._sha256 = sha256_of(self.checkpoint)
        self._cases.clear()

    def _collect(self, engine: Engine) -> None:
        state: Any = engine.state
        self._cases += [case_of(*pair) for pair in zip(state.batch, state.output, strict=True)]

    def _write(self, _: Engine) -> None:
        require_enough(self._cases)
        _logger.info(f"fitting {len(self._cases)} cases")
        parts = fit_parts(self._cases, self.alpha, self.sensitivity)
        if "missing" not in parts["temperature"]:
            parts["temperature"] = self._with_errors(parts["temperature"])
        if sha256_of(str(self.checkpoint)) != self._sha256:
            raise DataError(f"{str(self.checkpoint)!r} was replaced while it was calibrated: run 'calibrating' again.")
        document = {
            "format": FORMAT,
            "checkpoint_sha256": self._sha256,
            "image_size": self.image_size,
            "data": describe_data(self._cases, **self.data),
            **parts,
            "versions": {name: version(name) for name in ("monai_vlsm", "monai", "torch", "numpy", "scipy")},
            "date": date.today().isoformat(),
        }
        path = Path(str(self.checkpoint)).with_name(CALIBRATION.name)
        write_document(path, document)
        _logger.info(f"\n{format_calibration(document)}\nwritten to {path.absolute()}")

    def _with_errors(self, temperature: Mapping[str, Any]) -> dict[str, Any]:
        shown = [case for case in self._cases if case.present]
        counts = np.stack([case.counts for case in shown])
        errors = calibration_errors(counts, [case.unit for case in shown], temperature["value"])
        return {**temperature, **errors, "ci95": {**temperature["ci95"], **errors["ci95"]}}


def case_of(item: Mapping[str, Any], output: Mapping[str, Any]) -> Case:
    """Return what a calibration takes of an image of a batch, and of the logits under ``pred`` that belong to it."""
    logits, label = (output[key].as_tensor().cpu() for key in ("pred", "label"))
    return Case(
        image=str(item["image"].meta["filename_or_obj"]),
        label=str(item["label"].meta.get("filename_or_obj", "")),
        prompt=item["prompt"],
        group=item.get("group"),
        counts=count_logits(logits.numpy(), label.numpy()),
        score=presence_score(logits),
    )


def format_calibration(document: Mapping[str, Any]) -> str:
    """Return the numbers of a calibration as a table in plain text."""
    lines = [f"{'':<32}{'value':>9}   95 % interval"]
    for name in ("temperature", "presence", "threshold", "risk_control"):
        part = document[name]
        if "missing" in part:
            lines.append(f"{name + ': none, ' + part['missing']}")
        for key, value in part.items():
            if isinstance(value, int | float):
                low, high = part["ci95"].get(key, [None, None])
                bounds = "" if low is None else f"   {low:.4g} to {high:.4g}"
                lines.append(f"{name + ' ' + key:<32}{value:>9.4g}{bounds}")
    return "\n".join(lines)
