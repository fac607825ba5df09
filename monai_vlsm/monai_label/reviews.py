"""A second look at labels: which to look at first, and what was said of them, kept with the images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from monai_vlsm.errors import MissingFileError, UserError
from monai_vlsm.monai_label.refusals import OvertakenError
from monai_vlsm.monai_label.scores import ERROR, SEEN
from monai_vlsm.monai_label.studies import Studies
from monai_vlsm.transforms.case_scores import LOOK, MEAN_PROBABILITY
from monai_vlsm.transforms.presence import PRESENCE

REVIEWS = "reviews"
"""Key in the information of an image: what was said of its labels, the last one last."""
ACCEPT, FIX, REJECT = "accept", "fix", "reject"
WAITING = "waiting"
COLUMNS = ("image", "tag", "state", "reason", PRESENCE, MEAN_PROBABILITY, LOOK, "reviewer", "at", "comment", "version")
FINAL, ORIGINAL = "final", "original"
GONE = "the file of the label is gone, or lies elsewhere"
_MOST_KEPT = 50


def verdict_on(studies: Studies, image: str) -> str:
    """Return the verdict on the label that an image has now; "waiting" if there is none, as after each new label."""
    said = studies.get_image_info(image).get(REVIEWS, [])
    return str(_standing(said, " ".join(_label_of(studies, image)))["verdict"]) if said else WAITING


def queue(studies: Studies, state: str | None = WAITING) -> list[dict[str, Any]]:
    """Return the labels in the order in which to look at them, a row of ``COLUMNS`` each.

    First come images that the network could not read, then those whose mask is least sure, by its mean probability;
    at the end those that it has not looked at.

    Args:
        studies: with images, labels and scores.
        state: "waiting" or a verdict; None is all.
    """
    labeled = [image for image in studies.list_images() if studies.get_labels_by_image_id(image)]
    rows = [_row(studies, image, *_label_of(studies, image)) for image in labeled]
    return sorted((row for row in rows if state in (None, row["state"])), key=_urgency)


def judge(studies: Studies, image: str, version: str, verdict: str, reviewer: str, comment: str = "") -> dict[str, Any]:
    """Note what somebody says of the label of an image, and return its row.

    A mask of a model that is accepted becomes the label of the image. A label that is to be fixed, or is rejected, is
    not trained on. A new label waits for a review again, also one that somebody puts into the folder at this moment.

    Args:
        studies: with the image.
        image: its name.
        version: of the row that the reviewer saw.
        verdict: ``ACCEPT``, ``FIX`` or ``REJECT``.
        reviewer: who says it.
        comment: why.

    Raises:
        MissingFileError: if there is no such image, or it has no label.
        OvertakenError: if the label, or what was said of it, is another by now.
    """
    with studies.lock:
        studies.image_path(image)
        if not studies.get_labels_by_image_id(image):
            raise MissingFileError(f"the image {image!r} has no label to review: submit one first.")
        tag, digest = _label_of(studies, image)
        row = _row(studies, image, tag, digest)
        if row["version"] != version:
            who = f"{row['reviewer']} said {row['state']!r} at {row['at']}" if row["reviewer"] else "it is a new label"
            raise OvertakenError(f"the label of {image!r} is not as you saw it: {who}. Look again, then say it again.")
        if tag == ORIGINAL and verdict == ACCEPT:
            path = studies.label_path(image, ORIGINAL)
            tag = FINAL
            studies.save_label(image, str(path), tag, {"accepted_by": reviewer})
        now = datetime.now(UTC).isoformat(timespec="seconds")
        label = f"{tag} {digest}"
        said = {"verdict": verdict, "reviewer": reviewer, "at": now, "comment": comment, "label": label}
        before = studies.get_image_info(image).get(REVIEWS, [])
        studies.update_image_infos({image: {REVIEWS: [*before, said][-_MOST_KEPT:]}})
        return _row(studies, image, *_label_of(studies, image))


def _row(studies: Studies, image: str, tag: str, digest: str) -> dict[str, Any]:
    info = studies.get_image_info(image)
    seen, said = info.get(SEEN, {}), info.get(REVIEWS, [])
    label = f"{tag} {digest}"
    last = _standing(said, label)
    return {
        "image": image,
        "tag": tag,
        "state": last["verdict"],
        "reason": GONE if digest == GONE else _reason(seen),
        **{name: seen.get(name) for name in (PRESENCE, MEAN_PROBABILITY, LOOK)},
        **{name: last.get(name, "") for name in ("reviewer", "at", "comment")},
        "version": hashlib.sha256(f"{label} {said[-1:]}".encode()).hexdigest()[:16],
    }


def _standing(said: Iterable[Mapping[str, Any]], label: str) -> Mapping[str, Any]:
    """Return the last thing that was said, if it was said of this label."""
    last = [*said][-1:]
    return last[0] if last and last[0]["label"] == label else {"verdict": WAITING}


def _label_of(studies: Studies, image: str) -> tuple[str, str]:
    """Return the tag of the label that counts, and digits that tell its content from others."""
    tag = FINAL if FINAL in studies.get_labels_by_image_id(image) else ORIGINAL
    try:
        path = studies.label_path(image, tag)
        status = path.stat()
        return tag, _digest(path, status.st_mtime_ns, status.st_size, status.st_ino)
    except (UserError, OSError):
        return tag, GONE


@lru_cache(maxsize=100_000)
def _digest(path: Path, *_: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _reason(seen: Mapping[str, Any]) -> str:
    if ERROR in seen:
        return f"the model could not read the image: {seen[ERROR]}"
    if MEAN_PROBABILITY not in seen:
        return "the model has not looked at the image yet"
    sure = f"the mean probability of the model's mask is {seen[MEAN_PROBABILITY]:.2f}"
    return f"{sure}: somebody should look" if seen[LOOK] else sure


def _urgency(row: Mapping[str, Any]) -> tuple[int, float, str]:
    probability = row[MEAN_PROBABILITY]
    unseen = row["reason"].startswith("the model has not")
    return (2 if unseen else 0 if probability is None else 1), probability or 0.0, row["image"]
