"""From what was downloaded to images, binary masks, prompts and a datalist."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from monai_vlsm.data.datalist import SPLITS, write_datalist
from monai_vlsm.data.folder import is_there
from monai_vlsm.data.masks import Mask
from monai_vlsm.data.pictures import MORE_THAN_8_BITS, digest_of_pixels
from monai_vlsm.data.prepare.annotations import Annotation, Annotations
from monai_vlsm.data.prepare.archives import open_sources
from monai_vlsm.data.prepare.placing import PreparedCase, SplitEntry, assign_splits, require_groups
from monai_vlsm.data.prompts import LocationRule, prompts_from_mask
from monai_vlsm.data.sets import DATASETS, DatasetFacts, find_cases
from monai_vlsm.data.sets.brain import tumor_in
from monai_vlsm.data.sets.raw import RawCase, RawFiles, open_raw_picture
from monai_vlsm.data.whole import new_folder
from monai_vlsm.errors import DataError, UserError

Prompts = Literal["medvlsm", "medclipseg", "generated"]
Split = Literal["published", "deduplicated", "by_sequence"]


@dataclass(frozen=True)
class PrepareReport:
    """What :func:`prepare` did.

    Args:
        out: the folder.
        written: False if all was there already.
        entries: by split, as in the datalist.
        empty: number of empty masks by split.
        levels: number of different texts by prompt level.
        sizes: (width, height) in pixels and how many images have them, most frequent first.
        skipped: what was left out: (reason, how many, the first of them).
        groups_in_several_splits: number of patients or sequences that are in more than one split.
    """

    out: Path
    written: bool
    entries: dict[str, int]
    empty: dict[str, int]
    levels: dict[str, int]
    sizes: list[tuple[tuple[int, int], int]]
    skipped: list[tuple[str, int, str]]
    groups_in_several_splits: int = 0


def prepare(
    name: str,
    sources: Sequence[Path] | Callable[[], Sequence[Path]],
    out: Path,
    prompts: Prompts | None = None,
    split: Split = "published",
    *,
    location_rule: LocationRule = "width",
    annotations: Path | None = None,
    seed: int = 0,
    progress: bool = True,
) -> PrepareReport:
    """Convert a data set; the folder appears only when it is complete.

    Args:
        name: of the data set, one of ``DATASETS``.
        sources: what was downloaded, folders and archives; or a function that fetches it, called if it is needed.
        out: folder to make; one that holds the same data set is left as it is.
        prompts: published ones ("medvlsm", "medclipseg") or "generated" from the masks; None is the first of these
            that the data set has.
        split: "published", or the makers' own, or drawn by patient where there is none; "deduplicated" is the same
            without training and validation images that come again in a later split; "by_sequence" draws anew so that
            no patient or sequence is in two splits.
        location_rule: of generated prompts, see :func:`monai_vlsm.data.prompts.describe_mask`.
        annotations: folder with the published files; None fetches them.
        seed: of splits that are drawn.
        progress: show progress bars.

    Raises:
        MissingFileError: if a source or an annotation file is missing.
        DataError: if name, options, source or annotations cannot be used; nothing is left behind then.
    """
    data_set = _known(name)
    kind = prompts or ("medvlsm" if data_set.medvlsm else "medclipseg" if data_set.medclipseg else "generated")
    _check_options(data_set, kind, split)
    out = out.expanduser().absolute()
    description = f"monai_vlsm {name}, prompts {kind}, split {split}, seed {seed}, locations {location_rule}"
    if is_there(out, description):
        return PrepareReport(out, False, {}, {}, {}, [], [])
    sources = sources() if callable(sources) else sources
    published, subsets = _published(data_set, kind, Annotations(annotations, progress))
    with new_folder(out) as part, open_sources(sources, part.parent, progress) as roots:
        cases = find_cases(data_set, RawFiles(roots))
        if not cases:
            raise DataError(
                f"there is nothing of {data_set.title} in {', '.join(map(str, sources))}: expected is {data_set.raw}."
            )
        wanted, left_out = _wanted(cases, published, data_set)
        if split == "by_sequence":
            require_groups(wanted)
            subsets = {}  # they are parts of the published training images
        done, skipped = _write_all(wanted, part, data_set, location_rule, progress)
        skipped += left_out
        _require_images(done, data_set, skipped)
        placed, unplaced = assign_splits(done, published, data_set, split, seed)
        skipped += unplaced
        splits = {s: [_entry(item, texts) for item, texts, where in placed if where == s] for s in SPLITS}
        write_datalist(part, splits, description=description, subsets=_image_names(subsets, done))
    return _report(out, placed, skipped)


def _known(name: str) -> DatasetFacts:
    if name not in DATASETS:
        raise DataError(f"there is no data set {name!r}; known are {', '.join(DATASETS)}. Own data: new-bundle.")
    return DATASETS[name]


def _check_options(data_set: DatasetFacts, kind: str, split: str) -> None:
    if kind not in get_args(Prompts) or split not in get_args(Split):
        raise DataError(
            f"expected prompts out of {get_args(Prompts)} and a split out of {get_args(Split)}, "
            f"got {kind!r} and {split!r}."
        )
    if kind != "generated" and not getattr(data_set, kind):
        raise DataError(f"nobody has published {kind} prompts for {data_set.name}: choose --prompts generated.")


def _published(
    data_set: DatasetFacts, kind: str, annotations: Annotations
) -> tuple[list[Annotation], dict[str, list[str]]]:
    """Return entries and training subsets; entries of sets that are evaluated only are all for the test."""
    if kind == "generated":
        return [], {}
    entries = annotations.medvlsm(data_set) if kind == "medvlsm" else annotations.medclipseg(data_set)
    if data_set.evaluate_with and kind == "medvlsm":
        entries = [Annotation(entry.key, "test", entry.prompts) for entry in entries]
    return entries, annotations.subsets(data_set) if data_set.medclipseg else {}


def _wanted(
    cases: list[RawCase], published: list[Annotation], data_set: DatasetFacts
) -> tuple[list[RawCase], list[tuple[str, str]]]:
    """Leave out what the annotations do not know; cases that write their own prompts stay (training of CAMUS).

    The kind of tumour that a published sentence tells names the class where the raw files do not tell it.
    """
    if not published:
        return cases, []
    texts = {annotation.key: annotation.prompts.get("p2", [""])[0] for annotation in published}
    wanted = [case for case in cases if case.key in texts or case.prompts]
    left_out = [case.key for case in cases if not (case.key in texts or case.prompts)]
    if not data_set.class_name and data_set.medclipseg:
        wanted = [replace(case, class_name=case.class_name or tumor_in(texts[case.key])) for case in wanted]
    return wanted, [("not in the published annotations", key) for key in left_out]


def _write_all(
    cases: list[RawCase], folder: Path, data_set: DatasetFacts, location_rule: LocationRule, progress: bool
) -> tuple[dict[str, PreparedCase], list[tuple[str, str]]]:
    """Write the files of all cases; those that cannot be used are told with their reason."""
    done: dict[str, PreparedCase] = {}
    skipped = []
    pictures: dict[str, tuple[tuple[int, int], str]] = {}
    for case in tqdm(cases, desc=f"Preparing {data_set.name}", unit="mask", disable=not progress):
        try:
            if case.image not in pictures:
                pictures[case.image] = _write_image(case, folder / "images" / case.image)
            size, digest = pictures[case.image]
            mask = case.read_mask()
            if mask.shape != size[::-1]:
                raise DataError(f"its mask is {mask.shape[::-1]} pixels large, the image {size}")
            _write_mask(mask, folder / "masks" / case.label)
        except (UserError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
            skipped.append((str(error), case.key))
            continue
        done[case.key] = PreparedCase(
            case, size, not mask.any(), digest, _generated(case, mask, data_set, location_rule)
        )
    for name in set(pictures) - {item.case.image for item in done.values()}:
        (folder / "images" / name).unlink()
    return done, skipped


def _write_image(case: RawCase, path: Path) -> tuple[tuple[int, int], str]:
    """Write an image and return its size and the digest of its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = case.image_source
    if not isinstance(source, Path):
        picture = Image.fromarray(source())
        picture.save(path)
        return picture.size, digest_of_pixels(np.array(picture.convert("RGB")))
    picture = open_raw_picture(source)
    if picture.mode in MORE_THAN_8_BITS:
        raise DataError(f"its image has values beyond 8 bits (mode {picture.mode}), which is not expected in this set")
    if source.suffix.lower() == path.suffix.lower():
        shutil.copyfile(source, path)
    else:
        picture.convert("RGB" if picture.mode not in ("L", "RGB") else picture.mode).save(path)
    return picture.size, digest_of_pixels(np.array(picture.convert("RGB")))


def _write_mask(mask: Mask, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def _generated(case: RawCase, mask: Mask, data_set: DatasetFacts, location_rule: LocationRule) -> dict[str, list[str]]:
    name = case.class_name or data_set.class_name or data_set.target
    return case.prompts or prompts_from_mask(
        mask,
        name,
        family=data_set.family,  # type: ignore[arg-type]
        where=data_set.where,
        location_rule=location_rule,
        tell_empty=False,
    )


def _require_images(done: Mapping[str, PreparedCase], data_set: DatasetFacts, skipped: list[tuple[str, str]]) -> None:
    if not done:
        reason, example = skipped[0] if skipped else ("none is in the published annotations", "all images")
        raise DataError(
            f"no image of {data_set.title} could be used; the first: {example}: {reason}. Expected is {data_set.raw}; "
            "--prompts generated takes whatever images are there."
        )


def _entry(item: PreparedCase, texts: dict[str, list[str]]) -> dict[str, Any]:
    group = {"group": item.case.group} if item.case.group else {}
    return {"image": f"images/{item.case.image}", "label": f"masks/{item.case.label}", "prompts": texts, **group}


def _image_names(subsets: dict[str, list[str]], done: Mapping[str, PreparedCase]) -> dict[str, list[str]]:
    """Turn keys of published subsets into names of images in the datalist."""
    by_stem = {os.path.splitext(item.case.image)[0]: item.case.image for item in done.values()}
    by_key = {key: item.case.image for key, item in done.items()}
    names = {
        fraction: [f"images/{name}" for key in keys if (name := by_key.get(key) or by_stem.get(key))]
        for fraction, keys in subsets.items()
    }
    return {fraction: found for fraction, found in names.items() if found}


def _report(out: Path, placed: list[SplitEntry], skipped: list[tuple[str, str]]) -> PrepareReport:
    sizes = {item.case.image: item.size for item, _, _ in placed}
    texts: dict[str, set[str]] = {}
    for _, prompts, _ in placed:
        for level, sentences in prompts.items():
            texts.setdefault(level, set()).update(sentences)
    splits_of: dict[str, set[str]] = {}
    for item, _, where in placed:
        if item.case.group:
            splits_of.setdefault(item.case.group, set()).add(where)
    reasons = Counter(reason for reason, _ in skipped)
    first = dict(reversed(skipped))
    return PrepareReport(
        out,
        True,
        {split: sum(where == split for _, _, where in placed) for split in SPLITS},
        {split: sum(item.empty for item, _, where in placed if where == split) for split in SPLITS},
        {level: len(texts[level]) for level in sorted(texts)},
        Counter(sizes.values()).most_common(),
        [(reason, count, first[reason]) for reason, count in reasons.most_common()],
        sum(len(found) > 1 for found in splits_of.values()),
    )
