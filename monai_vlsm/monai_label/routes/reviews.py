"""Routes of a second look at labels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from monailabel.interfaces.utils.app import app_instance

from monai_vlsm.data.tables import write_table
from monai_vlsm.monai_label.options import ReviewOptions
from monai_vlsm.monai_label.reviews import COLUMNS, judge, queue

router = APIRouter(prefix="/review")


@router.get("/")
def list_reviews(
    state: Literal["waiting", "accept", "fix", "reject", "all"] = "waiting",
    format: Literal["json", "csv"] = "json",
) -> Any:
    """List labels, those that somebody should look at first."""
    rows = queue(app_instance().datastore(), None if state == "all" else state)
    return rows if format == "json" else PlainTextResponse(_as_csv(rows), media_type="text/csv")


@router.post("/{image}")
def review(image: str, params: ReviewOptions) -> Any:
    """Accept a label, ask for another, or reject it."""
    return judge(app_instance().datastore(), image, **params.model_dump(exclude={"client_id"}))


def _as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "reviews.csv")
        write_table(path, COLUMNS, rows)
        return path.read_text(encoding="utf-8")
