"""Write a bundle into a zip archive that MONAI loads and the model zoo takes."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from monai_vlsm.bundle.files import LARGEST_TEXT, files_below, parse_json, read_file
from monai_vlsm.bundle.open import CALIBRATION
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.errors import DataError, MissingFileError

LARGE = 25 * 2**20
"""Bytes; the model zoo takes no larger file, but a list of where to get them (CONTRIBUTING.md of its repository)."""

_REQUIRED = ("LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.pt")
_TAKEN = re.compile(
    r"LICENSE|configs/[^/.][^/]*\.json|configs/logging\.conf|docs/([^/.][^/]*/)*[^/.][^/]*|models/model\.pt"
    rf"|{re.escape(CALIBRATION.as_posix())}"
)
_LOOKED_INTO = ("LICENSE", "configs", "docs", "models")
_PERSONAL = re.compile(r"""(?<![\w.:/-])(?:/home/|/root/|/Users/|[A-Za-z]:[\\/]+Users[\\/])[^"'\s]*""")
_OLDEST_TIME = (1980, 1, 1, 0, 0, 0)


def collect(folder: Path) -> dict[str, bytes]:
    """Read the files of a bundle that belong into its archive, by path inside the bundle: settings, texts and model.

    Raises:
        MissingFileError: if one is not there that MONAI or the model zoo need.
        DataError: if one is a link, which may lead to anything on this machine; or if a setting is no JSON, or
            ``metadata.json`` does not know its own version.
    """
    for name in _REQUIRED:
        if not (folder / name).exists():
            raise MissingFileError(f"there is no {str((folder / name).absolute())!r}, {_how_to_make(name, folder)}.")
    names = [name for name in files_below(folder, _LOOKED_INTO) if _TAKEN.fullmatch(name)]
    files = {name: read_file(folder / name, LARGEST_TEXT if name.endswith(".json") else None) for name in names}
    metadata = parse_json(files["configs/metadata.json"], folder / "configs" / "metadata.json")
    changelog = metadata.get("changelog")
    if not isinstance(changelog, dict) or metadata.get("version") not in changelog:
        raise DataError(f"metadata.json has the version {metadata.get('version')!r}, but not in its changelog: add it.")
    return files


def require_impersonal(files: Mapping[str, bytes]) -> None:
    """Raise a DataError if a setting or a text names a folder of a person."""
    for name, content in files.items():
        if not name.startswith("models/model") and (found := _PERSONAL.search(content.decode(errors="replace"))):
            raise DataError(
                f"{name} names {found[0]!r}, a folder of a person: replace it before you share the bundle, or put the "
                "backbone inside with --self-contained."
            )


def get_value(files: Mapping[str, bytes], key: str) -> Any:
    """Return the value of a top-level key in ``inference.json``, not evaluated."""
    return parse_json(files["configs/inference.json"], "configs/inference.json").get(key)


def set_value(files: Mapping[str, bytes], key: str, value: str) -> dict[str, bytes]:
    """Return ``files`` with another value of a top-level key in every configuration that has it."""
    changed = dict(files)
    for name, content in files.items():
        if name.startswith("configs/") and name.endswith(".json"):
            config = parse_json(content, name)
            if config.get(key, value) != value:
                text = json.dumps({**config, key: value}, indent=4, ensure_ascii=False)
                changed[name] = (text + "\n").encode()
    return changed


def move_large_files(
    files: Mapping[str, bytes], name: str, url_prefix: str
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Replace files over ``LARGE`` bytes by ``large_files.yml``, which says where MONAI finds them.

    Args:
        files: by path inside the bundle.
        name: of the bundle.
        url_prefix: where the large files will be, for example the address of a release.

    Returns:
        What belongs into the archive, and what must be uploaded to ``url_prefix``, by file name there.
    """
    large = {path: content for path, content in files.items() if len(content) > LARGE}
    uploads = {f"{name}_{path.replace('/', '_')}": content for path, content in large.items()}
    kept = {path: content for path, content in files.items() if path not in large}
    if large:
        lines = ["large_files:"]
        for path, upload in zip(large, uploads, strict=True):
            lines += [f'- path: "{path}"', f'  url: "{url_prefix.rstrip("/")}/{upload}"']
            lines += [f'  hash_val: "{hashlib.sha256(large[path]).hexdigest()}"', '  hash_type: "sha256"']
        kept["large_files.yml"] = ("\n".join(lines) + "\n").encode()
    return kept, uploads


def write_zip(files: Mapping[str, bytes], name: str, path: Path) -> None:
    """Write ``files`` into the folder ``name`` of an archive: the same bytes each time, all or nothing.

    Raises:
        DataError: if the disk is full or the archive cannot be written.
    """
    with replace_whole(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for file in sorted(files):
            entry = zipfile.ZipInfo(str(PurePosixPath(name, file)), _OLDEST_TIME)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            # Weights do not get smaller, and 600 MB take a minute.
            entry.compress_type = zipfile.ZIP_STORED if file.startswith("models/") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[file])


def _how_to_make(name: str, folder: Path) -> str:
    if name.startswith("models/"):
        train = f"python -m monai.bundle run training --config_file {folder / 'configs' / 'train.json'}"
        return f"the trained model. Train first: {train} --bundle_root {folder}"
    return "which every bundle must have. Copy it from another bundle of this package, and adapt it"
