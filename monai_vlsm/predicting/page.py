"""One page to look through all that was found, with thumbnails in files beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_vlsm.pages import Markup, Page, PictureFile
from monai_vlsm.pages.cells import shown
from monai_vlsm.pages.markup import element, joined
from monai_vlsm.predicting.jobs import Job
from monai_vlsm.predicting.labels import color_of, hex_of
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.records import rows_of
from monai_vlsm.predicting.targets import PAGE, TABLE, targets_of

MOST_PICTURES = 1000
"""On the page; all images are in the table."""
_LONGEST = 120
"""Characters of a prompt below a picture."""

_PROMPTS = 5
"""That the head of the page names."""

Rows = list[dict[str, Any]]


def write_page(jobs: Sequence[Job], plan: Plan) -> None:
    """Write the page of a run from its records: first what somebody should look at.

    Raises:
        DataError: if it cannot be written.
    """
    found = [(job, list(rows_of(job, plan))) for job in jobs]
    done = [(job, rows) for job, rows in found if not rows[0]["error"]]
    doubtful = sorted(((job, rows) for job, rows in done if any(map(_is_doubtful, rows))), key=_least_sure)
    others = [(job, rows) for job, rows in done if not any(map(_is_doubtful, rows))]
    page = Page("Results of a prediction", _lead(found), with_files=True)
    page.section("In numbers")
    page.facts(_numbers(found), short=True)
    page.text(f"{TABLE} beside this page has a row for each image and prompt, with all numbers.")
    failed = [[job.source.name, rows[0]["error"]] for job, rows in found if rows[0]["error"]]
    if failed:
        page.section("Not segmented")
        page.table(["image", "why"], failed)
    room = MOST_PICTURES
    for title, part in (("To look at first", doubtful), ("All others", others)):
        if part:
            page.section(title)
            page.pictures([_picture(job, rows, plan) for job, rows in part[:room]])
        if len(part) > room:
            page.text(f"{len(part) - room:,} more images are not shown.")
        room = max(0, room - len(part))
    page.write(plan.folder / PAGE)


def _lead(found: Sequence[tuple[Job, Rows]]) -> str:
    prompts = list(dict.fromkeys(row["prompt"] for _, rows in found for row in rows))
    more = f" and {len(prompts) - _PROMPTS:,} more prompts" if len(prompts) > _PROMPTS else ""
    return f"Asked for: {', '.join(map(repr, prompts[:_PROMPTS]))}{more}"


def _numbers(found: Sequence[tuple[Job, Rows]]) -> dict[str, object]:
    answers = [row for _, rows in found for row in rows if not row["error"]]
    return {
        "images": len(found),
        "not segmented": sum(bool(rows[0]["error"]) for _, rows in found),
        "masks": len(answers),
        "empty masks": sum(not row["pixels"] for row in answers),
        "emptied, as the target is probably not there": sum(row["emptied"] for row in answers),
        "to look at, by a low mean probability": sum(row["look"] for row in answers),
    }


def _is_doubtful(row: Mapping[str, Any]) -> bool:
    return bool(row["look"] or row["emptied"])


def _least_sure(found: tuple[Job, Rows]) -> float:
    return min(row["mean_probability"] for row in found[1])


def _picture(job: Job, rows: Rows, plan: Plan) -> PictureFile:
    names = ", ".join(row["label"] for row in rows)
    lines = (element("li", _key(row["value"]), _told(row)) for row in rows)
    caption = joined(element("b", job.source.name), element("ul", *lines))
    return PictureFile(str(targets_of(job, plan).thumbnail), f"{job.source.name} with what was found: {names}", caption)


def _key(value: int) -> Markup:
    return element("span", class_="key", style=f"background: {hex_of(color_of(value))}")


def _told(row: Mapping[str, Any]) -> Markup:
    label = row["label"] if len(row["label"]) <= _LONGEST else f"{row['label'][:_LONGEST]}..."
    sizes = ((row["ml"], "ml"), (row["mm2"], "mm2"), (row["pixels"], "pixels"))
    size, unit = next((size, unit) for size, unit in sizes if size is not None)
    numbers = (
        f"{label}: {shown(size)} {unit}, presence {row['presence']:.2f}, probability {row['mean_probability']:.2f}"
    )
    agreement = "" if row["agreement"] is None else f", agreement {row['agreement']:.2f}"
    doubts = [word for word, holds in (("emptied", row["emptied"]), ("look", row["look"])) if holds]
    return joined(numbers, agreement, *(element("span", f" {word}", class_="look") for word in doubts))
