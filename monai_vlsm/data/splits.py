"""Splits into training, validation and test that keep groups together, and nested subsets of a training set."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence

from monai_vlsm.errors import DataError

SPLITS = ("training", "validation", "test")
CALIBRATION = "calibration"
"""A split that a datalist may have besides: entries kept for calibration alone."""
FRACTIONS = (0.8, 0.1, 0.1)
"""Of the items for training, validation and test, where nobody asks for others."""
_TRIES = 10


def split_groups(
    groups: Sequence[str],
    empty: Sequence[bool],
    fractions: tuple[float, float, float] = FRACTIONS,
    seed: int = 0,
) -> list[str]:
    """Assign every item to a split, all items of a group to the same one.

    Items with and without an empty mask are shared out by ``fractions`` each, as far as whole groups allow: of ten
    random orders in which the groups are placed one by one, the one that comes nearest is taken.

    Args:
        groups: of each item: the patient, sequence or image it must not be separated from.
        empty: of each item: whether its mask is empty.
        fractions: of the items for training, validation and test; they add up to 1, and 0 leaves a split out.
        seed: of the random order; the order of the items does not matter.

    Returns:
        A name out of ``SPLITS`` per item; every split with a fraction above 0 has a group.

    Raises:
        DataError: if the arguments are of another kind, or there are fewer groups than splits.
    """
    counts = _count(groups, empty)
    wanted = _wanted_splits(fractions)
    if len(counts) < len(wanted):
        raise DataError(
            f"expected at least {len(wanted)} groups (patients, sequences or images), one for each of "
            f"{', '.join(wanted)}; got {len(counts)}: {', '.join(map(repr, sorted(counts))) or 'none'}. "
            "Add cases, or group them by less of their names."
        )
    totals = [sum(count[kind] for count in counts.values()) for kind in (0, 1)]
    targets = {split: [fraction * total for total in totals] for split, fraction in wanted.items()}
    tries = [_place(_draw(counts, f"{seed}, try {number}"), counts, targets) for number in range(_TRIES)]
    split_of = min(tries, key=lambda placed: _distance(placed, counts, targets))
    return [split_of[group] for group in groups]


def nested_subset(names: Sequence[str], fraction: float, seed: int) -> set[str]:
    """Choose ``ceil(fraction * n)`` of the n distinct ``names``.

    For one seed a smaller fraction is a subset of a larger one, whatever the order of the names.

    Args:
        names: of patients, sequences or images.
        fraction: to keep, above 0 and at most 1.
        seed: of the choice.

    Raises:
        DataError: if the fraction is out of range.
    """
    if not 0 < fraction <= 1:
        raise DataError(f"expected a fraction above 0 and at most 1, got {fraction!r}: 0.1 keeps 10 %.")
    drawn = _draw(set(names), f"{seed}")
    # Rounded first, as 0.07 * 100 is a little more than 7.
    return set(drawn[: math.ceil(round(fraction * len(drawn), 9))])


def _draw(names: Iterable[str], seed: str) -> list[str]:
    """Return ``names`` in a random order that depends on nothing but the names and the seed."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}: {name}".encode()).digest())


def _count(groups: Sequence[str], empty: Sequence[bool]) -> dict[str, list[int]]:
    """Return the number of items with and without (index 0) an empty mask of every group."""
    if len(groups) != len(empty):
        raise DataError(f"expected a group for every item, got {len(groups)} groups of {len(empty)} items.")
    counts: dict[str, list[int]] = {}
    for group, is_empty in zip(groups, empty, strict=True):
        counts.setdefault(group, [0, 0])[bool(is_empty)] += 1
    return counts


def _wanted_splits(fractions: Sequence[float]) -> dict[str, float]:
    if len(fractions) != len(SPLITS) or min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise DataError(
            f"expected fractions for {', '.join(SPLITS)}, of 0 or more, that add up to 1, got {tuple(fractions)!r}."
        )
    return {split: fraction for split, fraction in zip(SPLITS, fractions, strict=True) if fraction}


def _place(order: Sequence[str], counts: dict[str, list[int]], targets: dict[str, list[float]]) -> dict[str, str]:
    """Give each group in turn to the split that it brings nearest to its target."""
    placed: dict[str, str] = {}
    filled = {split: [0, 0] for split in targets}
    for number, group in enumerate(order):
        without = [split for split in targets if not any(filled[split])]
        open_splits = without if len(order) - number <= len(without) else list(targets)
        gains = {split: _gain(counts[group], filled[split], targets[split]) for split in open_splits}
        split = min(open_splits, key=gains.__getitem__)
        placed[group] = split
        filled[split] = [have + more for have, more in zip(filled[split], counts[group], strict=True)]
    return placed


def _gain(count: Sequence[int], filled: Sequence[int], target: Sequence[float]) -> float:
    """Return by how much ``count`` more items change the squared distance to the target, relative to the target."""
    return sum(
        more * (more + 2 * (have - goal)) / goal for more, have, goal in zip(count, filled, target, strict=True) if goal
    )


def _distance(placed: dict[str, str], counts: dict[str, list[int]], targets: dict[str, list[float]]) -> float:
    filled = {split: [0, 0] for split in targets}
    for group, split in placed.items():
        filled[split] = [have + more for have, more in zip(filled[split], counts[group], strict=True)]
    return sum(
        (have - goal) ** 2 / goal
        for split, target in targets.items()
        for have, goal in zip(filled[split], target, strict=True)
        if goal
    )
