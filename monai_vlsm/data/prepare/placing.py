"""Which split every prepared image belongs to, and with which prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monai_vlsm.data.prepare.annotations import Annotation
from monai_vlsm.data.sets import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase
from monai_vlsm.data.splits import SPLITS, split_groups
from monai_vlsm.errors import DataError


@dataclass(frozen=True)
class PreparedCase:
    """A case whose files are written.

    Args:
        case: where it came from.
        size: width and height in pixels.
        empty: whether its mask is.
        digest: of the pixels of the image; equal pictures have equal ones, whatever their file names.
        prompts: made from the mask.
    """

    case: RawCase
    size: tuple[int, int]
    empty: bool
    digest: str
    prompts: dict[str, list[str]]


SplitEntry = tuple[PreparedCase, dict[str, list[str]], str]
"""An image with its prompts and its split."""


def assign_splits(
    done: Mapping[str, PreparedCase], published: list[Annotation], data_set: DatasetFacts, split: str, seed: int
) -> tuple[list[SplitEntry], list[tuple[str, str]]]:
    """Give every entry its prompts and its split; also tell what was left out, as (reason, key).

    Args:
        done: what was prepared, by key.
        published: annotations; empty if prompts and split are our own.
        data_set: which one.
        split: "published", "deduplicated" or "by_sequence".
        seed: of splits that are drawn.

    Raises:
        DataError: if none of the published entries was prepared, or there are too few patients for three splits.
    """
    if published:
        placed, left_out = _place_published(done, published)
    else:
        placed, left_out = _place_unpublished(list(done.values()), data_set, seed), []
    if split == "by_sequence":
        return _by_group(placed, seed), left_out
    if split == "deduplicated":
        placed, repeated = _deduplicated(placed)
        left_out += repeated
    return placed, left_out


def require_groups(cases: list[RawCase]) -> None:
    """Raise a DataError unless every case has a patient or sequence."""
    if not all(case.group for case in cases):
        raise DataError("the raw files do not tell patients or sequences apart: choose another --split.")


def _place_published(
    done: Mapping[str, PreparedCase], published: list[Annotation]
) -> tuple[list[SplitEntry], list[tuple[str, str]]]:
    """Follow the annotations; cases they do not know have prompts of their own and are for training (CAMUS)."""
    placed: list[SplitEntry] = []
    missing = []
    for annotation in published:
        item = done.get(annotation.key)
        if item is None:
            missing.append(("published, but not in the source or not usable", annotation.key))
            continue
        texts = {"p0": [""], "p1": item.prompts["p1"], **annotation.prompts}
        placed.append((item, texts, annotation.split))
    if not placed:
        raise DataError(
            f"none of the {len(published)} published entries is in the source, which is perhaps another release: "
            "--prompts generated makes prompts and splits from what is there."
        )
    keys = {annotation.key for annotation in published}
    held_out = {item.case.group for item, _, _ in placed}
    for key, item in done.items():
        if key in keys:
            continue
        if item.case.group in held_out or item.case.split == "test":
            missing.append(("not published, and its patient is in another split", key))
        else:
            placed.append((item, item.prompts, "training"))
    return placed, missing


def _place_unpublished(items: list[PreparedCase], data_set: DatasetFacts, seed: int) -> list[SplitEntry]:
    """Keep the makers' own split, drawing a validation split where they have none, or draw all three."""
    own = [item.case.split for item in items]
    if data_set.evaluate_with and not any(own):
        own = ["test"] * len(items)
    elif not any(own):
        own = _draw(items, (0.8, 0.1, 0.1), seed)
    elif "validation" not in own:
        own = [split or "training" for split in own]
        training = [i for i, split in enumerate(own) if split == "training"]
        drawn = _draw([items[i] for i in training], (0.9, 0.1, 0.0), seed)
        for i, split in zip(training, drawn, strict=True):
            own[i] = split
    return [(item, item.prompts, split) for item, split in zip(items, own, strict=True)]


def _draw(items: list[PreparedCase], fractions: tuple[float, float, float], seed: int) -> list[str]:
    groups = [item.case.group or item.case.image for item in items]
    return split_groups(groups, [item.empty for item in items], fractions, seed)


def _deduplicated(placed: list[SplitEntry]) -> tuple[list[SplitEntry], list[tuple[str, str]]]:
    """Drop pictures from training that come in validation or test, from validation those of the test, and repeats."""
    kept: list[SplitEntry] = []
    dropped = []
    where: dict[str, str] = {}
    seen = set()
    for split in reversed(SPLITS):
        for item, texts, own in placed:
            if own != split:
                continue
            first = where.setdefault(item.digest, split)
            if first != split or (item.digest, item.case.class_name) in seen:
                dropped.append((f"the same picture is in {first}", item.case.key))
                continue
            seen.add((item.digest, item.case.class_name))
            kept.append((item, texts, own))
    return kept, dropped


def _by_group(placed: list[SplitEntry], seed: int) -> list[SplitEntry]:
    """Draw a split in which no patient or sequence is in two splits."""
    unique = {item.case.key: (item, texts) for item, texts, _ in placed}
    items = [item for item, _ in unique.values()]
    return [
        (item, texts, split)
        for (item, texts), split in zip(unique.values(), _draw(items, (0.8, 0.1, 0.1), seed), strict=True)
    ]
