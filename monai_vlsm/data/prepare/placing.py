"""Which split every prepared image belongs to, and with which prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from monai_vlsm.data.prepare.annotations import Annotation
from monai_vlsm.data.sets import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase
from monai_vlsm.data.splits import FRACTIONS, SPLITS, split_groups
from monai_vlsm.errors import DataError

_WITHOUT_TEST = (0.9, 0.1, 0.0)
"""Of the training images for training and validation, where the makers have set a test split apart."""


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


@dataclass(frozen=True)
class SplitEntry:
    """A prepared case with its prompts and its split."""

    prepared: PreparedCase
    prompts: dict[str, list[str]]
    split: str


@dataclass(frozen=True)
class LeftOut:
    """A case that is not in the datalist.

    Args:
        reason: why, in words that are the same for all cases of one kind.
        key: of the case.
    """

    reason: str
    key: str


def assign_splits(
    done: Mapping[str, PreparedCase], published: list[Annotation], facts: DatasetFacts, split: str, seed: int
) -> tuple[list[SplitEntry], list[LeftOut]]:
    """Give every entry its prompts and its split; also tell what was left out.

    Args:
        done: what was prepared, by key.
        published: annotations; empty if prompts and split are our own.
        facts: of the data set.
        split: "published", "deduplicated" or "by_sequence".
        seed: of splits that are drawn.

    Raises:
        DataError: if none of the published entries was prepared, or there are too few patients for three splits.
    """
    if published:
        placed, left_out = _place_published(done, published)
    else:
        placed, left_out = _place_unpublished(list(done.values()), facts, seed), []
    if split == "by_sequence":
        return _by_group(placed, seed), left_out
    if split == "deduplicated":
        placed, repeated = _deduplicated(placed)
        left_out += repeated
    return placed, left_out


def require_groups(cases: list[RawCase]) -> None:
    """Raise a DataError unless every case has a patient or sequence."""
    without = next((case.key for case in cases if not case.group), None)
    if without is not None:
        raise DataError(
            f"the raw files do not tell patients or sequences apart (the first is {without!r}): choose another --split."
        )


def _place_published(
    done: Mapping[str, PreparedCase], published: list[Annotation]
) -> tuple[list[SplitEntry], list[LeftOut]]:
    """Follow the annotations; cases they do not know have prompts of their own and are for training (CAMUS)."""
    placed: list[SplitEntry] = []
    left_out: list[LeftOut] = []
    for annotation in published:
        prepared = done.get(annotation.key)
        if prepared is None:
            left_out.append(LeftOut("published, but not in the source or not usable", annotation.key))
            continue
        texts = {"p0": [""], "p1": prepared.prompts["p1"], **annotation.prompts}
        placed.append(SplitEntry(prepared, texts, annotation.split))
    if not placed:
        raise DataError(
            f"none of the {len(published)} published entries is in the source, which is perhaps another release: "
            "--prompts generated makes prompts and splits from what is there."
        )
    keys = {annotation.key for annotation in published}
    held_out = {entry.prepared.case.group for entry in placed}
    for key, prepared in done.items():
        if key in keys:
            continue
        if prepared.case.group in held_out or prepared.case.split == "test":
            left_out.append(LeftOut("not published, and its patient is in another split", key))
        else:
            placed.append(SplitEntry(prepared, prepared.prompts, "training"))
    return placed, left_out


def _place_unpublished(done: list[PreparedCase], facts: DatasetFacts, seed: int) -> list[SplitEntry]:
    """Keep the makers' own split, drawing a validation split where they have none, or draw all three."""
    own = [prepared.case.split for prepared in done]
    if facts.evaluate_with and not any(own):
        own = ["test"] * len(done)
    elif not any(own):
        own = _draw(done, FRACTIONS, seed)
    elif "validation" not in own:
        own = [split or "training" for split in own]
        training = [i for i, split in enumerate(own) if split == "training"]
        drawn = _draw([done[i] for i in training], _WITHOUT_TEST, seed)
        for i, split in zip(training, drawn, strict=True):
            own[i] = split
    return [SplitEntry(prepared, prepared.prompts, split) for prepared, split in zip(done, own, strict=True)]


def _draw(done: list[PreparedCase], fractions: tuple[float, float, float], seed: int) -> list[str]:
    groups = [prepared.case.group or prepared.case.image for prepared in done]
    return split_groups(groups, [prepared.empty for prepared in done], fractions, seed)


def _deduplicated(placed: list[SplitEntry]) -> tuple[list[SplitEntry], list[LeftOut]]:
    """Drop duplicates; of a picture in several splits the copy in the latest one stays."""
    kept: list[SplitEntry] = []
    dropped = []
    where: dict[str, str] = {}
    seen = set()
    for split in reversed(SPLITS):
        for entry in placed:
            if entry.split != split:
                continue
            case, digest = entry.prepared.case, entry.prepared.digest
            first = where.setdefault(digest, split)
            if first != split or (digest, case.class_name) in seen:
                dropped.append(LeftOut(f"the same picture is in {first}", case.key))
                continue
            seen.add((digest, case.class_name))
            kept.append(entry)
    return kept, dropped


def _by_group(placed: list[SplitEntry], seed: int) -> list[SplitEntry]:
    """Draw a split in which no patient or sequence is in two splits."""
    unique = {entry.prepared.case.key: entry for entry in placed}
    drawn = _draw([entry.prepared for entry in unique.values()], FRACTIONS, seed)
    return [replace(entry, split=split) for entry, split in zip(unique.values(), drawn, strict=True)]
