"""Archives of MedCLIPSeg and of LViT, all in one form ({Train,Val,Test}_Folder/{img,label}/), and LViT's sentences."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Container
from dataclasses import replace
from functools import partial

from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, left_out, one_per_name, pair
from monai_vlsm.data.sets.sheets import read_sheet

_SPLITS = {"Train": "training", "Val": "validation", "Test": "test"}


def read_medclipseg(facts: DatasetFacts, files: RawFiles) -> list[RawCase]:
    """Read the three folders; a mask has the name of its image, or "_Segmentation" behind it.

    LViT, and the papers after it, call the folder of the masks ``labelcol``.
    """
    cases = []
    for part, split in _SPLITS.items():
        known = [f"{part}_Folder/{name}" for name in ("label", "labelcol")]
        masks = next(filter(files.in_folder, known), known[0])
        cases += pair(
            files,
            f"{part}_Folder/img",
            masks,
            mask_stem=partial(_mask_stem, files.in_folder(masks)),
            class_name=facts.class_of,
            group=facts.group,
            split=split,
        )
    return cases


def _mask_stem(masks: Container[str], stem: str) -> str:
    return f"{stem}_Segmentation" if f"{stem}_Segmentation" in masks else stem


def with_sentences(cases: list[RawCase], files: RawFiles, prompt: str) -> list[RawCase]:
    """Give each case its sentence of LViT as p2, and the split of its sheet, {Train,Val,Test}_text*.xlsx.

    Without such sheets nothing changes. Where there are some, an image that is in none is told and left out: its
    levels would be others.

    Args:
        cases: of either form of the data set.
        files: all raw files.
        prompt: of p1.

    Raises:
        DataError: if a sheet cannot be read, or there are two of one split that differ.
    """
    pattern = r"(?P<part>Train|Val|Test)_text[^/]*\.xlsx"
    sheets = one_per_name((_SPLITS[found["part"].title()], path) for path, found in files.matching(pattern))
    sentences: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for split, path in sheets.items():
        for row in read_sheet(path, "Image", "Description"):
            known = sentences[os.path.splitext(row["Image"])[0]][split]
            known += [row["Description"]] if row["Description"] and row["Description"] not in known else []
    return [_with_sentence(case, sentences, prompt) for case in cases] if sheets else cases


def _with_sentence(case: RawCase, sentences: dict[str, dict[str, list[str]]], prompt: str) -> RawCase:
    """Take the split of the folder, else that of the sheet, of several the latest one."""
    found = sentences.get(os.path.splitext(case.image)[0], {})
    split = case.split or next((split for split in reversed(_SPLITS.values()) if found.get(split)), "")
    if not found.get(split):
        return left_out(case, "it has no sentence in the sheets of its split")
    return replace(case, split=split, prompts={"p0": [""], "p1": [prompt], "p2": found[split]})
