"""Labels of a run: their values, names and colors, in label maps, on overlays and in ``labels.json``."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Sequence
from typing import Any

from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError
from monai_vlsm.predicting.jobs import Ask, Job
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.records import other_records
from monai_vlsm.predicting.targets import LABEL_MAP, LABELS
from monai_vlsm.rules import MOST_LABELS

_FIRST = ((255, 72, 72), (70, 170, 255), (250, 200, 40), (200, 110, 255), (40, 210, 190), (255, 140, 60))
_GOLDEN = 0.618034
"""Share of the circle of colors between one label and the next, so that neighbors differ."""

Color = tuple[int, int, int]


def color_of(value: int) -> Color:
    """Return the color (red, green, blue) of a label, the same in every run; 0 is black."""
    if value == 0:
        return 0, 0, 0
    if value <= len(_FIRST):
        return _FIRST[value - 1]
    red, green, blue = colorsys.hsv_to_rgb(value * _GOLDEN % 1, 0.65, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def hex_of(color: Color) -> str:
    """Return a color as pages and many programs write it, such as ``#ff4848``."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def paint_order(asks: Sequence[Ask], priority: Sequence[str]) -> list[int]:
    """Return which places of ``asks`` are painted over the others, in the order of ``priority``."""
    names = [ask.name for ask in asks]
    return [names.index(name) for name in priority if name in names]


def require_known_labels(jobs: Sequence[Job], plan: Plan) -> None:
    """Make sure that the labels of a run can stand in one folder.

    Raises:
        DataError: if ``priority`` names what nobody asks for, or a label map in the folder has another meaning.
    """
    names = {ask.name for job in jobs for ask in job.asks}
    for name in plan.priority:
        if name not in names:
            raise DataError(f"--priority names {name!r}, which is no label or prompt of this run: {_some(names)}.")
    largest = max(ask.value for job in jobs for ask in job.asks)
    if plan.label_map and largest > MOST_LABELS:
        raise DataError(f"a label map has room for {MOST_LABELS:,} labels, and this run has {largest:,}.")
    if plan.label_map:
        _merged(jobs, plan)


def write_labels(jobs: Sequence[Job], plan: Plan) -> None:
    """Write ``labels.json``, if there are label maps: labels of this run, and of earlier ones into the same folder.

    That comes before the first label map, so that no killed run leaves values without names.

    Raises:
        DataError: if it cannot be written, or an earlier one says otherwise.
    """
    if not plan.label_map:
        return
    known = _merged(jobs, plan)
    told = [{"value": value, "name": name, "color": hex_of(color_of(value))} for value, name in sorted(known.items())]
    with replace_whole(plan.folder / LABELS) as part:
        part.write_text(json.dumps({"labels": told}, indent=1) + "\n", encoding="utf-8")


def _merged(jobs: Sequence[Job], plan: Plan) -> dict[int, str]:
    own = {ask.value: ask.name for job in jobs for ask in job.asks}
    earlier = _earlier(plan)
    changed = {value for value, name in earlier.items() if own.get(value, name) != name}
    others = _painted_elsewhere(jobs, plan) if changed and plan.overwrite else {}
    for value in sorted(changed & {*others} if plan.overwrite else changed):
        way_out = f" (the label map of {others[value]!r} stays)" if plan.overwrite else ", or say --overwrite"
        raise DataError(
            f"in {str(plan.folder / LABELS)!r} the value {value} is {earlier[value]!r}, and in this run "
            f"{own[value]!r}: label maps of both would not be told apart. Choose another folder with --out{way_out}."
        )
    return {**earlier, **own}


def _painted_elsewhere(jobs: Sequence[Job], plan: Plan) -> dict[int, str]:
    """Return the values in label maps that this run does not write anew, each with an image of them."""
    painted = (record for record in other_records(jobs, plan) if any(LABEL_MAP in file for file in record["files"]))
    return {value: record["image"] for record in painted for _, _, value in record["asks"]}


def _earlier(plan: Plan) -> dict[int, str]:
    file = plan.folder / LABELS
    try:
        told: Any = json.loads(file.read_text(encoding="utf-8"))
        return {int(label["value"]): str(label["name"]) for label in told["labels"]}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        if plan.overwrite:
            return {}
        raise DataError(
            f"{str(file)!r} does not tell which labels the label maps beside it have ({error!r}): mend it, choose "
            "another folder with --out, or say --overwrite."
        ) from error


def _some(names: set[str]) -> str:
    return ", ".join(map(repr, sorted(names)[:10]))
