"""From what was downloaded to images, binary masks, prompts and a datalist."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from monai_vlsm.data.datalist import SPLITS, write_datalist
from monai_vlsm.data.folder import is_there
from monai_vlsm.data.prepare.annotations import Annotation, Annotations
from monai_vlsm.data.prepare.archives import open_sources, require_sources
from monai_vlsm.data.prepare.placing import LeftOut, PreparedCase, SplitEntry, assign_splits, require_groups
from monai_vlsm.data.prepare.writing import write_all
from monai_vlsm.data.prompts import LocationRule
from monai_vlsm.data.sets import DATASETS, DatasetFacts, find_cases
from monai_vlsm.data.sets.brain import tumor_in
from monai_vlsm.data.sets.raw import RawCase, RawFiles
from monai_vlsm.data.whole import new_folder
from monai_vlsm.errors import DataError

Prompts = Literal["medvlsm", "medclipseg", "generated"]
Split = Literal["published", "deduplicated", "by_sequence"]


@dataclass(frozen=True)
class PrepareOptions:
    """How a data set is prepared.

    Args:
        prompts: published ones ("medvlsm", "medclipseg") or "generated" from the masks; None is the first of these
            that the data set has.
        split: "published", or the makers' own, or drawn by patient where there is none; "deduplicated" is the same
            without training and validation images that come again in a later split; "by_sequence" draws anew so that
            no patient or sequence is in two splits.
        location_rule: of generated prompts, see :func:`monai_vlsm.data.prompts.describe_mask`.
        annotations: folder with the published files; None fetches them.
        seed: of splits that are drawn.
    """

    prompts: Prompts | None = None
    split: Split = "published"
    location_rule: LocationRule = "width"
    annotations: Path | None = None
    seed: int = 0

    def prompts_of(self, facts: DatasetFacts) -> str:
        """Return where the prompts of a data set come from.

        Raises:
            DataError: if an option is unknown, or nobody has published such prompts for the set.
        """
        first = "medvlsm" if facts.medvlsm else "medclipseg" if facts.medclipseg else "generated"
        kind = self.prompts or first
        if kind not in get_args(Prompts) or self.split not in get_args(Split):
            raise DataError(
                f"expected prompts out of {get_args(Prompts)} and a split out of {get_args(Split)}, "
                f"got {kind!r} and {self.split!r}."
            )
        if kind != "generated" and not getattr(facts, kind):
            raise DataError(f"nobody has published {kind} prompts for {facts.name}: choose --prompts generated.")
        return kind

    def description(self, facts: DatasetFacts) -> str:
        """Return the line in the datalist by which the folder is known again."""
        return (
            f"monai_vlsm {facts.name}, prompts {self.prompts_of(facts)}, split {self.split}, seed {self.seed}, "
            f"locations {self.location_rule}"
        )


@dataclass(frozen=True)
class PrepareReport:
    """What :func:`prepare` did.

    Args:
        out: the folder.
        entries: by split, as in the datalist.
        empty: number of empty masks by split.
        levels: number of different texts by prompt level.
        sizes: (width, height) in pixels and how many images have them, most frequent first.
        skipped: what was left out: (reason, how many, the first of them).
        groups_in_several_splits: number of patients or sequences that are in more than one split.
    """

    out: Path
    entries: dict[str, int]
    empty: dict[str, int]
    levels: dict[str, int]
    sizes: list[tuple[tuple[int, int], int]]
    skipped: list[tuple[str, int, str]]
    groups_in_several_splits: int


def facts_of(name: str) -> DatasetFacts:
    """Return what is known of a data set.

    Raises:
        DataError: if there is none of this name.
    """
    if name not in DATASETS:
        raise DataError(f"there is no data set {name!r}; known are {', '.join(DATASETS)}. Own data: new-bundle.")
    return DATASETS[name]


def is_prepared(name: str, out: Path, options: PrepareOptions) -> bool:
    """Tell whether the folder ``out`` holds the data set already, prepared with these options.

    Raises:
        DataError: if the options cannot be used, or the folder holds something else.
    """
    return is_there(_absolute(out), options.description(facts_of(name)))


def prepare(
    name: str,
    sources: Sequence[Path],
    out: Path,
    options: PrepareOptions = PrepareOptions(),
    progress: bool = True,
) -> PrepareReport:
    """Convert a data set; the folder appears only when it is complete.

    Args:
        name: of the data set, one of ``DATASETS``.
        sources: what was downloaded, folders and archives.
        out: folder to make; it must be free, see :func:`is_prepared`.
        options: what to make of it.
        progress: show progress bars.

    Raises:
        MissingFileError: if a source or an annotation file is missing.
        DataError: if options, source, annotations or folder cannot be used; nothing is left behind then.
    """
    facts, out = facts_of(name), _absolute(out)
    if is_prepared(name, out, options):
        raise DataError(f"{str(out)!r} holds this data set already: remove the folder to prepare it anew.")
    require_sources(sources)
    published, subsets = _published(facts, options, Annotations(options.annotations, progress))
    with new_folder(out) as part, open_sources(sources, part.parent, progress) as roots:
        cases, left_out = _wanted(_cases_in(roots, facts, sources), published, facts)
        if options.split == "by_sequence":
            require_groups(cases)
            subsets = {}  # they are parts of the published training images
        done, skipped = write_all(cases, part, facts, options.location_rule, progress)
        left_out = skipped + left_out
        _require_images(done, facts, left_out)
        placed, unplaced = assign_splits(done, published, facts, options.split, options.seed)
        splits = {split: [_item(entry) for entry in placed if entry.split == split] for split in SPLITS}
        write_datalist(part, splits, description=options.description(facts), subsets=_image_names(subsets, done))
    return _report(out, placed, left_out + unplaced)


def _absolute(out: Path) -> Path:
    return out.expanduser().absolute()


def _cases_in(roots: Sequence[Path], facts: DatasetFacts, sources: Sequence[Path]) -> list[RawCase]:
    cases = find_cases(facts, RawFiles(roots))
    if not cases:
        raise DataError(
            f"there is nothing of {facts.title} in {', '.join(map(str, sources))}: expected is {facts.raw}."
        )
    return cases


def _published(
    facts: DatasetFacts, options: PrepareOptions, annotations: Annotations
) -> tuple[list[Annotation], dict[str, list[str]]]:
    """Return entries and training subsets; entries of sets that are evaluated only are all for the test."""
    kind = options.prompts_of(facts)
    if kind == "generated":
        return [], {}
    entries = annotations.medvlsm(facts) if kind == "medvlsm" else annotations.medclipseg(facts)
    if facts.evaluate_with and kind == "medvlsm":
        entries = [replace(entry, split="test") for entry in entries]
    return entries, annotations.subsets(facts) if facts.medclipseg else {}


def _wanted(
    cases: list[RawCase], published: list[Annotation], facts: DatasetFacts
) -> tuple[list[RawCase], list[LeftOut]]:
    """Leave out what the annotations do not know; cases that write their own prompts stay (training of CAMUS).

    The kind of tumor that a published sentence tells names the class where the raw files do not tell it.
    """
    if not published:
        return cases, []
    texts = {annotation.key: annotation.prompts.get("p2", [""])[0] for annotation in published}
    wanted = [case for case in cases if case.key in texts or case.prompts]
    unknown = [case.key for case in cases if not (case.key in texts or case.prompts)]
    if not facts.class_name and facts.medclipseg:
        wanted = [replace(case, class_name=case.class_name or tumor_in(texts[case.key])) for case in wanted]
    return wanted, [LeftOut("not in the published annotations", key) for key in unknown]


def _require_images(done: Mapping[str, PreparedCase], facts: DatasetFacts, left_out: list[LeftOut]) -> None:
    if not done:
        first = left_out[0] if left_out else LeftOut("none is in the published annotations", "all images")
        raise DataError(
            f"no image of {facts.title} could be used; the first: {first.key}: {first.reason}. "
            f"Expected is {facts.raw}; --prompts generated takes whatever images are there."
        )


def _item(entry: SplitEntry) -> dict[str, Any]:
    """Return an entry as the datalist has it."""
    case = entry.prepared.case
    group = {"group": case.group} if case.group else {}
    return {"image": f"images/{case.image}", "label": f"masks/{case.label}", "prompts": entry.prompts, **group}


def _image_names(subsets: dict[str, list[str]], done: Mapping[str, PreparedCase]) -> dict[str, list[str]]:
    """Turn keys of published subsets into names of images in the datalist."""
    by_stem = {os.path.splitext(item.case.image)[0]: item.case.image for item in done.values()}
    by_key = {key: item.case.image for key, item in done.items()}
    names = {
        fraction: [f"images/{name}" for key in keys if (name := by_key.get(key) or by_stem.get(key))]
        for fraction, keys in subsets.items()
    }
    return {fraction: found for fraction, found in names.items() if found}


def _report(out: Path, placed: list[SplitEntry], left_out: list[LeftOut]) -> PrepareReport:
    sizes = {entry.prepared.case.image: entry.prepared.size for entry in placed}
    texts: dict[str, set[str]] = {}
    splits_of: dict[str, set[str]] = {}
    for entry in placed:
        for level, sentences in entry.prompts.items():
            texts.setdefault(level, set()).update(sentences)
        if entry.prepared.case.group:
            splits_of.setdefault(entry.prepared.case.group, set()).add(entry.split)
    reasons = Counter(case.reason for case in left_out)
    first = {case.reason: case.key for case in reversed(left_out)}
    return PrepareReport(
        out=out,
        entries={split: sum(entry.split == split for entry in placed) for split in SPLITS},
        empty={split: sum(entry.prepared.empty for entry in placed if entry.split == split) for split in SPLITS},
        levels={level: len(texts[level]) for level in sorted(texts)},
        sizes=Counter(sizes.values()).most_common(),
        skipped=[(reason, count, first[reason]) for reason, count in reasons.most_common()],
        groups_in_several_splits=sum(len(splits) > 1 for splits in splits_of.values()),
    )
