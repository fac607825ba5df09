"""Calibrations to write and to spoil."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from monai_vlsm.calibration.document import sha256_of, write_document

DOCUMENT: dict[str, Any] = json.loads("""
{
 "format": 1,
 "checkpoint_sha256": "0000000000000000000000000000000000000000000000000000000000000000",
 "image_size": 96,
 "data": {
  "dataset": "phantom", "split": "validation", "prompt_level": "p1",
  "entries": 20, "absent_entries": 8, "images": 16, "groups": null,
  "sha256": "1111111111111111111111111111111111111111111111111111111111111111"
 },
 "temperature": {
  "value": 2.0, "ece_before": 0.1, "ece_after": 0.05,
  "ci95": {"value": [1.8, 2.2], "ece_before": [0.08, 0.12], "ece_after": [0.04, 0.06]},
  "reliability": {
   "before": {"predicted": [0.1, null], "observed": [0.2, null], "pixels": [10, 0]},
   "after": {"predicted": [0.1, null], "observed": [0.1, null], "pixels": [10, 0]}
  }
 },
 "presence": {
  "a": 0.5, "b": -1.0, "threshold": 0.4, "sensitivity": 0.95, "auroc": 0.97, "false_positive_rate": 0.1,
  "present": 12, "absent": 8,
  "ci95": {
   "a": [0.4, 0.6], "b": [-2, 0], "threshold": [0.3, 0.5], "auroc": [0.9, 1], "false_positive_rate": [null, null]
  }
 },
 "threshold": {
  "best_dice": 0.6, "dice": 0.8, "dice_at_half": 0.78,
  "ci95": {"best_dice": [0.5, 0.7], "dice": [0.7, 0.9], "dice_at_half": [0.7, 0.9]}
 },
 "risk_control": {
  "alpha": 0.1, "n": 12, "threshold": 0.2, "missed": 0.02, "dice": 0.7,
  "ci95": {"missed": [0, 0.1], "dice": [0.6, 0.8]}
 },
 "versions": {"monai_vlsm": "0.3.0"},
 "date": "2026-11-26"
}
""")


def document(**values: Any) -> dict[str, Any]:
    """Return a calibration with other values at the top."""
    return {**copy.deepcopy(DOCUMENT), **values}


def give_calibration(bundle: Path, **values: Any) -> Path:
    """Write a calibration into a bundle that fits its ``models/model.pt``."""
    path = bundle / "models" / "calibration.json"
    write_document(path, document(**{"checkpoint_sha256": sha256_of(bundle / "models" / "model.pt"), **values}))
    return path
