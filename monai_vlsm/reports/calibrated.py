"""The section of a page on a calibration: what probabilities, presence and thresholds are worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monai_vlsm.pages import Interval, Line, Page, reliability_diagram
from monai_vlsm.pages.markup import Markup

_ROWS = {
    "temperature": {
        "value": "temperature",
        "ece_before": "calibration error before",
        "ece_after": "calibration error after",
    },
    "presence": {
        "auroc": "presence: AUROC",
        "threshold": "presence: cut below which a mask is empty",
        "false_positive_rate": "presence: false positives at this cut",
        "a": "presence: slope",
        "b": "presence: offset",
    },
    "threshold": {
        "best_dice": "threshold of the best Dice",
        "dice": "Dice at this threshold",
        "dice_at_half": "Dice at 0.5",
    },
    "risk_control": {
        "threshold": "risk control: threshold",
        "missed": "risk control: share of missed pixels",
        "dice": "risk control: Dice",
    },
}
"""What is shown of each part, and its words."""


def add_calibration(page: Page, document: Mapping[str, Any] | None, sha256: str, command: str) -> None:
    """Add a section on ``models/calibration.json``.

    Args:
        page: to add to.
        document: as :func:`monai_vlsm.calibration.document.read_document` gives it; None where there is none.
        sha256: of the model that is there now.
        command: that makes a calibration.
    """
    page.section("Calibration")
    if document is None:
        page.missing(
            "Nothing was calibrated: probabilities, presence and threshold are those of the bare network.", command
        )
        return
    if document["checkpoint_sha256"] != sha256:
        page.missing("The calibration is of another checkpoint than models/model.pt, and is not used.", command)
        return
    page.text(_data(document["data"]))
    parts = {name: document[name] for name in _ROWS if "missing" not in document[name]}
    rows = {
        words: Interval(part[key], *part["ci95"].get(key, (None, None)))
        for name, part in parts.items()
        for key, words in _ROWS[name].items()
    }
    with page.beside():
        if "temperature" in parts:
            page.plots(_curves(parts["temperature"]))
        if rows:
            page.quantities(rows, _conditions(parts))
    for name in _ROWS:
        if name not in parts:
            page.missing(f"Without {name.replace('_', ' ')}: {document[name]['missing']}.")


def _data(data: Mapping[str, Any]) -> str:
    patients = "" if data["groups"] is None else f" of {data['groups']:,} patients (or sequences)"
    return (
        f"Fitted on {data['entries']:,} entries ({data['absent_entries']:,} of them do not show their target), "
        f"{data['images']:,} images{patients}, of the split {data['split']} of {data['dataset']}, prompts "
        f"{data['prompt_level']}."
    )


def _conditions(parts: Mapping[str, Any]) -> str:
    told = []
    if "presence" in parts:
        told.append(f"presence keeps {100 * parts['presence']['sensitivity']:g} % of the present targets")
    if "risk_control" in parts:
        risk = parts["risk_control"]
        told.append(
            f"risk control keeps the expected share of missed pixels at most {risk['alpha']:g} (n = {risk['n']:,})"
        )
    return "; ".join(told).capitalize()


def _curves(temperature: Mapping[str, Any]) -> Markup:
    lines = [
        Line(name, _numbers(curve["predicted"]), _numbers(curve["observed"]))
        for name, curve in temperature["reliability"].items()
    ]
    errors = f"calibration error {temperature['ece_before']:.3f} before and {temperature['ece_after']:.3f} after"
    alt = f"Share of foreground among pixels over their predicted probability; {errors}."
    return reliability_diagram(lines, alt, f"Pixels by predicted probability; {errors} the temperature.")


def _numbers(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
