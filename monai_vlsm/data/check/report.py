"""Checks of a data set that protect results: files that fit, splits that do not share images, prompts that are read."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_vlsm.data.check.files import Entries, FileFacts, Finding, check_files
from monai_vlsm.data.check.prompts import check_balance, check_prompts, count_classes


@dataclass
class CheckReport:
    """All that was found.

    Args:
        findings: errors first.
        splits: split -> number of entries, images, groups, empty masks, and share of foreground in the others.
        classes: class -> split -> number of entries; the class is the first sentence of p1.
    """

    findings: list[Finding]
    splits: dict[str, dict[str, float]]
    classes: dict[str, dict[str, int]]

    @property
    def errors(self) -> list[Finding]:
        """Findings that are errors."""
        return [finding for finding in self.findings if finding.severity == "error"]


def check_entries(
    entries: Entries,
    files: FileFacts,
    folder: str | Path,
    groups: Mapping[str, str],
    count_tokens: Callable[[Sequence[str]], list[int]],
) -> CheckReport:
    """Judge a data set.

    Args:
        entries: of all splits, as ``load_splits`` gives them.
        files: what ``read_files`` saw.
        folder: of the data set; names are given relative to it.
        groups: image -> patient or sequence, as far as they are known.
        count_tokens: number of tokens of each text, begin and end included.
    """
    findings = [
        *check_files(entries, files),
        *_check_duplicates(entries, files),
        *_check_groups(entries, groups),
        *check_prompts(entries, files, count_tokens),
        *check_balance(entries, files),
    ]
    named = [
        Finding(finding.severity, finding.text, tuple(_relative(name, folder) for name in finding.names))
        for finding in sorted(findings, key=lambda finding: finding.severity)
    ]
    splits = {split: _describe_split(items, files, groups) for split, items in entries.items()}
    return CheckReport(named, splits, count_classes(entries))


def _check_duplicates(entries: Entries, files: FileFacts) -> Iterable[Finding]:
    places: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for split, items in entries.items():
        for entry in items:
            image: str = entry["image"]
            places[files.digests.get(image, image)][split].add(image)
    across, within = [], []
    for place in places.values():
        if len(place) > 1:
            across.append(_join(f"{split}: {name}" for split, names in place.items() for name in sorted(names)))
        elif len(names := next(iter(place.values()))) > 1:
            within.append(_join(sorted(names)))
    if across:
        text = "images with the same pixels in two splits, so that results are too good; remove them from training"
        yield Finding("error", text, tuple(across))
    if within:
        yield Finding("warning", "images with the same pixels within a split, which count twice", tuple(within))
    repeated = Counter(
        (split, entry["image"], entry["label"], repr(entry["prompts"])) for split in entries for entry in entries[split]
    )
    twice = tuple(f"{split}: {image}" for (split, image, *_), count in repeated.items() if count > 1)
    if twice:
        yield Finding("warning", "entries that are in their split twice", twice)


def _check_groups(entries: Entries, groups: Mapping[str, str]) -> Iterable[Finding]:
    places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for split, items in entries.items():
        for image in dict.fromkeys(entry["image"] for entry in items):
            if image in groups:
                places[groups[image]][split].append(image)
    torn = tuple(
        f"{group}: "
        + ", ".join(
            f"{len(images)} in {split} ({images[0]}{' ...' * (len(images) > 1)})" for split, images in place.items()
        )
        for group, place in places.items()
        if len(place) > 1
    )
    if torn:
        text = "patients or sequences in two splits, so that results are too good; split anew by patient"
        yield Finding("error", text, torn)


def _describe_split(
    items: Sequence[Mapping[str, Any]], files: FileFacts, groups: Mapping[str, str]
) -> dict[str, float]:
    shares = [files.foreground[entry["label"]] for entry in items if entry["label"] in files.foreground]
    filled = [share for share in shares if share]
    images = {entry["image"] for entry in items}
    return {
        "entries": len(items),
        "images": len(images),
        "groups": len({groups[image] for image in images if image in groups}),
        "empty masks": len(shares) - len(filled),
        "foreground": float(np.mean(filled)) if filled else 0.0,
    }


def _relative(name: str, folder: str | Path) -> str:
    return name.replace(f"{os.path.abspath(os.path.expanduser(folder))}{os.sep}", "")


def _join(names: Iterable[str]) -> str:
    return " = ".join(names)
