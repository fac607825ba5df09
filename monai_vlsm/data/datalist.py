"""Datalists: which image belongs to which mask and prompts, read from and written to a data set's folder."""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from monai_vlsm.data.names import IMAGE_SUFFIXES, is_image, natural_order
from monai_vlsm.data.splits import CALIBRATION, SPLITS, nested_subset
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError, MissingFileError

DATALIST_NAME = "datalist.json"

PUBLISHED_FILES = {"training": "train.json", "validation": "val.json", "test": "test.json"}
"""Names of the annotations of naamiinepal/medvlsm."""

_READ = (*SPLITS, CALIBRATION)


def load_datalist(dataset_dir: str | Path, split: str, fraction: float = 1.0, seed: int = 0) -> list[dict[str, Any]]:
    """Read the entries of one split: from ``datalist.json``, or else from the published layout.

    The published layout is ``images/``, ``masks/`` and ``anns/{train,val,test}.json``; it is only read.

    Args:
        dataset_dir: folder of the data set.
        split: one of ``SPLITS``, or ``calibration`` where ``datalist.json`` has one.
        fraction: of the training images to keep, for experiments with little data: the subset in the datalist if it
            has one of this size (as published), else a drawn one that holds all smaller ones. A patient or sequence
            is kept or left out as a whole. Other splits are always whole.
        seed: of a drawn subset.

    Returns:
        ``{"image": path, "label": path, "prompts": {"p0": [""], "p1": [...], ...}}`` with absolute paths to files
        that exist and stripped texts; and ``"group": name`` of the patient or sequence where the datalist has it.

    Raises:
        MissingFileError: if the folder, its annotations or a file named there is missing.
        DataError: if the annotations cannot be read, have another structure, or no entry in this split.
    """
    if split not in _READ:
        raise DataError(f"expected a split out of {', '.join(_READ)}, got {split!r}: correct its name.")
    folder = _existing_folder(dataset_dir)
    source, entries = _read_split(folder, split)
    if not entries:
        filled = [other for other in _READ if other != split and _read_split(folder, other)[1]]
        raise DataError(
            f"expected entries in split {split!r}, but it is empty in {str(source)!r}; "
            f"splits with entries: {', '.join(filled) or 'none'}. Choose one of these, or prepare the data set anew."
        )
    checked = _checked_entries(entries, source, folder)
    if split == "training" and fraction != 1:
        checked = _subset(checked, folder, fraction, seed)
    _check_files(checked, folder, split)
    return checked


def load_splits(dataset_dir: str | Path) -> dict[str, list[dict[str, Any]]]:
    """Read the entries of all splits as ``load_datalist`` does; splits may be empty and files missing.

    ``calibration`` is among them where it has entries.

    Raises:
        MissingFileError: if the folder or its annotations are missing.
        DataError: if the annotations cannot be read or have another structure.
    """
    folder = _existing_folder(dataset_dir)
    read = {split: _read_split(folder, split) for split in _READ}
    return {
        split: _checked_entries(entries, source, folder)
        for split, (source, entries) in read.items()
        if entries or split in SPLITS
    }


def write_datalist(
    dataset_dir: str | Path,
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    description: str = "",
    subsets: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Check the entries as ``load_datalist`` does and write ``datalist.json``, whole or not at all.

    Args:
        dataset_dir: folder of the data set, which holds the images and masks already.
        splits: split -> entries, with paths relative to the folder; a split left out is written empty.
        description: one line about the data set, kept in the file.
        subsets: training images of published subsets by their fraction, such as ``{"0.1": ["images/1.png", ...]}``.

    Raises:
        MissingFileError: if the folder or a file named in an entry is missing.
        DataError: if a split is unknown, an entry has another structure, or there is no entry at all.
    """
    folder = _existing_folder(dataset_dir)
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise DataError(f"expected splits out of {', '.join(SPLITS)}, got {unknown[0]!r}: correct its name.")
    if not any(splits.values()):
        raise DataError(f"expected at least one entry to write to {str(folder / DATALIST_NAME)!r}, got none.")
    content: dict[str, Any] = {"description": description} if description else {}
    if subsets:
        content["subsets"] = subsets
    for split in SPLITS:
        content[split] = [_checked_entry(e, f"split {split!r}, entry {i}") for i, e in enumerate(splits.get(split, ()))]
        _check_files([_absolute(entry, folder) for entry in content[split]], folder, split)
    with replace_whole(folder / DATALIST_NAME) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")


def read_description(dataset_dir: str | Path) -> str:
    """Return the description that ``write_datalist`` put into ``datalist.json``; empty if it has none."""
    content = _read_json(Path(dataset_dir) / DATALIST_NAME)
    description = content.get("description", "") if isinstance(content, dict) else ""
    return description if isinstance(description, str) else ""


def list_images(source: str | Path | Sequence[str | Path]) -> list[dict[str, str]]:
    """List images to predict as ``[{"image": absolute path}]``, each of them once.

    Args:
        source: a folder (its own files in natural order; no sub-folders, no hidden files), a file, a glob pattern,
            or a list of these.

    Raises:
        MissingFileError: if something named does not exist or holds no image.
        DataError: if a file that is named has an unknown extension.
    """
    sources = [source] if isinstance(source, str | Path) else list(source)
    # An empty path would mean the current folder.
    if not all(map(str, sources)) or not sources:
        raise MissingFileError(f"expected at least one image, got {source!r}: name a folder, a file or a pattern.")
    paths = [path for item in sources for path in _expand(os.path.abspath(os.path.expanduser(item)))]
    return [{"image": path} for path in dict.fromkeys(paths)]


def _expand(source: str) -> list[str]:
    known = ", ".join(IMAGE_SUFFIXES)
    if os.path.isfile(source):
        if not is_image(source):
            raise DataError(f"expected an image with one of the extensions {known}, got {source!r}: convert it first.")
        return [source]
    if os.path.isdir(source):
        candidates: Iterable[str] = (os.path.join(source, name) for name in os.listdir(source))
    else:
        candidates = glob.glob(source, recursive=True)
    found = sorted((path for path in candidates if is_image(path) and os.path.isfile(path)), key=natural_order)
    if not found:
        state = "holds none" if os.path.isdir(source) else "matches none" if glob.has_magic(source) else "is missing"
        raise MissingFileError(
            f"expected images ({known}), but {source!r} {state}. "
            "Name a file, a folder that holds images itself (sub-folders are not searched) or a pattern."
        )
    return found


def _existing_folder(dataset_dir: str | Path) -> Path:
    folder = Path(os.path.abspath(Path(dataset_dir).expanduser()))
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise MissingFileError(f"expected the data set in the folder {str(folder)!r}, which {state}. {_how(folder)}")
    return folder


def _how(folder: Path) -> str:
    name, out = shlex.quote(folder.name), shlex.quote(str(folder))
    return (
        f"A public data set is made with: python -m monai_vlsm prepare {name} --source DOWNLOAD --out {out}; one of "
        "your own images with: python -m monai_vlsm new-bundle --help"
    )


def _checked_entries(entries: Iterable[Any], source: Path, folder: Path) -> list[dict[str, Any]]:
    return [_absolute(_checked_entry(entry, f"{source}, entry {i}"), folder) for i, entry in enumerate(entries)]


def _read_split(folder: Path, split: str) -> tuple[Path, list[Any]]:
    """Return the file that holds the split and its entries in our own form, not checked yet."""
    if (folder / DATALIST_NAME).is_file():
        source = folder / DATALIST_NAME
        content = _read_json(source)
        if not isinstance(content, dict):
            raise DataError(
                f"expected an object with the keys {', '.join(SPLITS)} in {str(source)!r}, "
                f"got {type(content).__name__}. Mend or replace the file."
            )
        return source, _as_list(content.get(split, []), f"{source}, key {split!r}")
    if not (folder / "anns").is_dir():
        raise MissingFileError(
            f"expected {DATALIST_NAME!r} or the published layout (images/, masks/, anns/) in {str(folder)!r}, "
            f"found neither. {_how(folder)}"
        )
    if split not in PUBLISHED_FILES:
        return folder / "anns", []
    source = folder / "anns" / PUBLISHED_FILES[split]
    if not source.is_file():
        raise MissingFileError(f"expected the annotations of split {split!r} in {str(source)!r}, which is missing.")
    entries = _as_list(_read_json(source), str(source))
    return source, [_from_published(entry, f"{source}, entry {i}") for i, entry in enumerate(entries)]


def _subset(entries: list[dict[str, Any]], folder: Path, fraction: float, seed: int) -> list[dict[str, Any]]:
    units = [entry.get("group", entry["image"]) for entry in entries]
    drawn = nested_subset(units, fraction, seed)
    content = _read_json(folder / DATALIST_NAME) if (folder / DATALIST_NAME).is_file() else {}
    published = content.get("subsets", {}).get(f"{fraction:g}")
    if published is None:
        return [entry for entry, unit in zip(entries, units, strict=True) if unit in drawn]
    named = {os.path.normpath(folder / name) for name in published}
    return [entry for entry in entries if entry["image"] in named]


def _read_json(source: Path) -> Any:
    try:
        content = json.loads(source.read_text(encoding="utf-8-sig"))
        # An escape such as \ud800 is half a character, which no tokenizer takes and no terminal can show.
        json.dumps(content, ensure_ascii=False).encode()
        return content
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(
            f"expected JSON in {str(source)!r}, but {where}: {error.msg}. Mend or replace the file."
        ) from None
    except UnicodeError as error:
        raise DataError(f"expected UTF-8 text in {str(source)!r}, but {error}. Mend or replace the file.") from None
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, and thousands of lists in each other.
        raise DataError(f"cannot use the JSON in {str(source)!r}: {error}. Mend or replace the file.") from None


def _as_list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list of entries, got {type(value).__name__}. Mend or replace the file.")
    return value


def _from_published(entry: Any, where: str) -> dict[str, Any]:
    image = _relative_path(entry, "img_name", where, "images")
    label = _relative_path(entry, "mask_name", where, "masks")
    return {"image": image, "label": label, "prompts": entry.get("prompts")}


def _checked_entry(entry: Any, where: str) -> dict[str, Any]:
    paths = {key: _relative_path(entry, key, where) for key in ("image", "label")}
    prompts = entry.get("prompts")
    if not isinstance(prompts, Mapping) or not prompts:
        raise DataError(f"{where}: expected levels 'p0', 'p1', ... under the key 'prompts', got {prompts!r}.")
    texts = {level: _texts(level, value, where) for level, value in prompts.items()}
    if "group" not in entry:
        return {**paths, "prompts": texts}
    if not isinstance(entry["group"], str) or not entry["group"]:
        raise DataError(f"{where}: expected the name of a patient or sequence under 'group', got {entry['group']!r}.")
    return {**paths, "prompts": texts, "group": entry["group"]}


def _relative_path(entry: Any, key: str, where: str, below: str = "") -> str:
    """Return the path under ``key``, which must stay in the folder ``below`` that of the data set."""
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, str) or not value:
        raise DataError(f"{where}: expected a file name under the key {key!r}, got {value!r}.")
    # Also refuses drive letters and backslashes, for folders that are shared between systems.
    if PureWindowsPath(value).anchor or os.path.normpath(value).split(os.sep)[0] == os.pardir:
        raise DataError(f"{where}: expected a path that stays in the data set's folder under {key!r}, got {value!r}.")
    return f"{below}/{value}" if below else value


def _texts(level: Any, value: Any, where: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(level, str) or not re.fullmatch(r"p\d+", level):
        raise DataError(f"{where}: expected prompt levels 'p0', 'p1', ... under 'prompts', got {level!r}.")
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{where}: expected a text or a list of texts under 'prompts', {level!r}, got {value!r}.")
    return [text.strip() for text in texts]


def _absolute(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {**entry, **{key: os.path.normpath(folder / entry[key]) for key in ("image", "label")}}


def _check_files(entries: Iterable[Mapping[str, Any]], folder: Path, split: str) -> None:
    paths = dict.fromkeys(entry[key] for entry in entries for key in ("image", "label"))
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        first = ", ".join(map(repr, missing[:3])) + (", ..." if len(missing) > 3 else "")
        raise MissingFileError(
            f"expected {len(paths)} files in split {split!r}, but {len(missing)} are missing: {first}. {_how(folder)}"
        )
