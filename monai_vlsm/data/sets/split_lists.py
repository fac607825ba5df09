"""Splits that the makers of a data set give as lists of names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NoReturn

from monai_vlsm.data.sets.raw import RawCase, left_out
from monai_vlsm.errors import DataError, MissingFileError


def follow_lists(cases: list[RawCase], lists: Mapping[str, Collection[str]], source: str) -> list[RawCase]:
    """Put cases into the splits whose lists name them; what only one side knows is told and left out.

    Args:
        cases: without a split.
        lists: keys of cases by split.
        source: names of the files that the lists come from.

    Raises:
        DataError: if a name is in two lists, or none is that of a case.
    """
    split_of: dict[str, str] = {}
    for split, names in lists.items():
        for name in names:
            if split_of.setdefault(name, split) != split:
                raise DataError(f"{source}: {name!r} is in two splits. Give the lists as their makers published them.")
    known = {case.key for case in cases}
    if not known & split_of.keys():
        raise DataError(f"{source}: none of the {len(split_of)} names is one of the {len(known)} images.")
    placed = [
        replace(case, split=split_of[case.key])
        if case.key in split_of
        else left_out(case, f"{source}: it is not named")
        for case in cases
    ]
    return [*placed, *(_without_image(name, source) for name in split_of if name not in known)]


def _without_image(name: str, source: str) -> RawCase:
    def missing() -> NoReturn:
        raise MissingFileError(f"{source}: its image is missing")

    return RawCase(f"{name}.png", f"{name}.png", missing, missing)
